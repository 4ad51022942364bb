# Installs netlab @VERSION@ for you alone, without administrator rights:
#
#   irm @REPOSITORY@/releases/latest/download/install.ps1 | iex
#
# NETLAB_INSTALL_TO names the folder that gets `bin` and `share`, instead of Programs\netlab in your local
# application data, whose `bin` is put into your PATH; NETLAB_INSTALL_FROM another address, or a folder,
# that has the release's files. Nothing is put in place before its checksum is found to be the one that
# stands here and the program has run; whatever fails before that leaves nothing behind. Works from
# Windows PowerShell 5.1 on.

# A function, called at the very end: of a script that was cut short on its way nothing runs.
function Install-Netlab {
    $ErrorActionPreference = 'Stop'
    # The bar makes Windows PowerShell's downloads ten times slower.
    $ProgressPreference = 'SilentlyContinue'
    $version = '@VERSION@'
    $repository = '@REPOSITORY@'
    $to = $env:NETLAB_INSTALL_TO
    if (-not $to) { $to = Join-Path $env:LOCALAPPDATA 'Programs\netlab' }
    $to = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($to)
    $from = $env:NETLAB_INSTALL_FROM
    if (-not $from) { $from = "$repository/releases/download/v$version" }

    if ($env:OS -ne 'Windows_NT') {
        throw "netlab was not installed: this installer is for Windows; elsewhere: curl -fsSL $repository/releases/latest/download/install.sh | sh"
    }
    # A PowerShell of another architecture than Windows' own has the latter in the first of the two.
    $machine = $env:PROCESSOR_ARCHITEW6432
    if (-not $machine) { $machine = $env:PROCESSOR_ARCHITECTURE }
    # The checksum is from here, since whoever alters an archive where it lies could alter a file of
    # checksums beside it.
    $target, $wanted = switch ($machine) {
        'AMD64' { 'x86_64-pc-windows-msvc', '@SHA256 x86_64-pc-windows-msvc@' }
        'ARM64' { 'aarch64-pc-windows-msvc', '@SHA256 aarch64-pc-windows-msvc@' }
        default { throw "netlab was not installed: there is no release for Windows on $machine; build it yourself: cargo install --locked --git $repository netlab" }
    }
    $name = "netlab-$version-$target"

    $isNew = -not (Test-Path -LiteralPath $to)
    # Beside what they become: a move within a disk is no copy.
    $work = Join-Path $to ".netlab-install-$PID"
    try {
        New-Item -ItemType Directory -Force -Path $work | Out-Null
        Write-Host "Fetching $name from $from"
        if ($from -match '://') {
            # Windows PowerShell does not offer it by itself on older systems.
            [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
            Invoke-WebRequest -UseBasicParsing -Uri "$from/$name.zip" -OutFile (Join-Path $work "$name.zip")
        } else {
            Copy-Item -LiteralPath (Join-Path $from "$name.zip") -Destination $work
        }
        $found = (Get-FileHash -Algorithm SHA256 -LiteralPath (Join-Path $work "$name.zip")).Hash
        if ($found -ne $wanted) {
            throw "$name.zip has the checksum $found, not $wanted; it was damaged on its way, or is not ours: run this again, or tell at $repository/issues"
        }
        Expand-Archive -LiteralPath (Join-Path $work "$name.zip") -DestinationPath $work
        $said = & (Join-Path $work "$name\bin\netlab.exe") --version
        if ($said -ne "netlab $version") {
            throw 'the program does not run here; netlab needs Windows 10 or newer'
        }
        # One file at a time, so that what else is in these folders stays; the program comes first,
        # since Windows does not replace it while it runs.
        # As Windows has it, which may write a short name like RUNNER~1 in full.
        $parent = (Get-Item -LiteralPath (Join-Path $work $name)).FullName
        foreach ($part in 'bin', 'share') {
            foreach ($file in Get-ChildItem -Recurse -File -LiteralPath (Join-Path $parent $part)) {
                $place = Join-Path $to $file.FullName.Substring($parent.Length + 1)
                New-Item -ItemType Directory -Force -Path (Split-Path -Parent $place) | Out-Null
                Move-Item -Force -LiteralPath $file.FullName -Destination $place
            }
        }
        $isNew = $false
    } catch {
        throw "netlab was not installed: $($_.Exception.Message)"
    } finally {
        Remove-Item -Recurse -Force -LiteralPath $work -ErrorAction SilentlyContinue
        if ($isNew) { Remove-Item -Recurse -Force -LiteralPath $to -ErrorAction SilentlyContinue }
    }

    $bin = Join-Path $to 'bin'
    Write-Host "netlab $version is in $bin"
    if ($env:NETLAB_INSTALL_TO) {
        if (($env:Path -split ';') -notcontains $bin) {
            Write-Host "That is not in your PATH yet; for this terminal: `$env:Path = '$bin;' + `$env:Path"
        }
    } else {
        # From the registry as it is written there, so that %VARIABLES% in it stay what they are.
        $key = [Microsoft.Win32.Registry]::CurrentUser.OpenSubKey('Environment', $true)
        $path = $key.GetValue('Path', '', 'DoNotExpandEnvironmentNames')
        if (($path -split ';') -notcontains $bin) {
            $key.SetValue('Path', ($path.TrimEnd(';') + ";$bin").TrimStart(';'), 'ExpandString')
            # Setting any variable tells the running programs that the environment has changed.
            [Environment]::SetEnvironmentVariable('NETLAB_INSTALL', $null, 'User')
            Write-Host 'That is in your PATH from the next terminal on.'
        }
        $key.Close()
    }
    Write-Host 'Next: netlab demo 3'
}

Install-Netlab
