# Tries the installer for Windows on the files of a release, in FOLDER: it installs, puts what it installed
# into PATH, and refuses what was altered, of which nothing may be left behind. Run where releases are made.
param([Parameter(Mandatory)] [string] $Folder)
$ErrorActionPreference = 'Stop'

$installer = Join-Path (Resolve-Path $Folder) 'install.ps1'
$account = Join-Path ([IO.Path]::GetTempPath()) "netlab $([char]0xFC) $PID"
$local = $env:LOCALAPPDATA
# This user's PATH as it is written in the registry, and in which form.
$key = [Microsoft.Win32.Registry]::CurrentUser.OpenSubKey('Environment', $true)
$path = $key.GetValue('Path', $null, 'DoNotExpandEnvironmentNames')
if ($null -ne $path) { $form = $key.GetValueKind('Path') }
try {
    $env:NETLAB_INSTALL_FROM = Resolve-Path $Folder
    $env:NETLAB_INSTALL_TO = Join-Path $account 'installed'
    foreach ($time in 1, 2) { & $installer }
    & (Join-Path $env:NETLAB_INSTALL_TO 'bin\netlab.exe') show 3 | Out-Null
    if ($LASTEXITCODE -ne 0) { throw "the installed program ended with $LASTEXITCODE" }

    # By itself it chooses the folder, and that is in PATH after the first time and once after the second.
    Remove-Item -Path 'Env:NETLAB_INSTALL_TO'
    $env:LOCALAPPDATA = Join-Path $account 'local'
    $before = '%USERPROFILE%\of netlab''s trial'
    $key.SetValue('Path', "$before;", 'ExpandString')
    foreach ($time in 1, 2) {
        & $installer
        $after = $key.GetValue('Path', '', 'DoNotExpandEnvironmentNames')
        $wanted = "$before;$(Join-Path $env:LOCALAPPDATA 'Programs\netlab\bin')"
        if ($after -ne $wanted) { throw "PATH is '$after' after time $time, not '$wanted'" }
        if ($key.GetValueKind('Path') -ne 'ExpandString') { throw 'PATH has lost its form' }
    }
    $env:LOCALAPPDATA = $local

    $spoiled = Join-Path $account 'spoiled'
    Copy-Item -Recurse $Folder $spoiled
    foreach ($archive in Get-ChildItem -LiteralPath $spoiled -Filter '*.zip') {
        Add-Content -LiteralPath $archive.FullName -Value 'altered'
    }
    $env:NETLAB_INSTALL_FROM = $spoiled
    $env:NETLAB_INSTALL_TO = Join-Path $account 'refused'
    $complaint = ''
    try { & $installer } catch { $complaint = $_.Exception.Message }
    if ($complaint -notmatch 'has the checksum') { throw "it did not refuse what was altered: $complaint" }
    if (Test-Path -LiteralPath $env:NETLAB_INSTALL_TO) { throw 'it left something behind' }
} finally {
    $env:LOCALAPPDATA = $local
    if ($null -ne $path) { $key.SetValue('Path', $path, $form) } else { $key.DeleteValue('Path', $false) }
    $key.Close()
    Remove-Item -Recurse -Force -LiteralPath $account -ErrorAction SilentlyContinue
    Remove-Item -Path 'Env:NETLAB_INSTALL_FROM', 'Env:NETLAB_INSTALL_TO' -ErrorAction SilentlyContinue
}
