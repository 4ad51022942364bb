# Tries the installer for Windows on the files of a release, in FOLDER: it installs, and it refuses what
# was altered, of which nothing may be left behind. Run where releases are made.
param([Parameter(Mandatory)] [string] $Folder)
$ErrorActionPreference = 'Stop'

$installer = Join-Path (Resolve-Path $Folder) 'install.ps1'
$account = Join-Path ([IO.Path]::GetTempPath()) "netlab $([char]0xFC) $PID"
try {
    $env:NETLAB_INSTALL_FROM = Resolve-Path $Folder
    $env:NETLAB_INSTALL_TO = Join-Path $account 'installed'
    foreach ($time in 1, 2) { & $installer }
    & (Join-Path $env:NETLAB_INSTALL_TO 'bin\netlab.exe') show 3 | Out-Null
    if ($LASTEXITCODE -ne 0) { throw "the installed program ended with $LASTEXITCODE" }

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
    Remove-Item -Recurse -Force -LiteralPath $account -ErrorAction SilentlyContinue
    Remove-Item -Path 'Env:NETLAB_INSTALL_FROM', 'Env:NETLAB_INSTALL_TO'
}
