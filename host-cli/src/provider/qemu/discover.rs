//! Finds QEMU on the host. The rule: what the user names is taken or refused, never replaced by
//! another one.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::command::SANDBOX;
use super::error::QemuError;
use super::version::Version;
use crate::platform::{Architecture, Installer, Platform};

/// Time for `--version`: the first start after an installation may be looked at by a virus scanner.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A QEMU that netlab can use.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qemu {
    /// The program.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
    /// When its file was last changed, in seconds since 1970.
    pub modified: u64,
    /// Whether it can shut itself off from most of the host's kernel ([`SANDBOX`]).
    pub sandbox: bool,
}

/// Finds the QEMU for such guests and asks its version.
///
/// # Errors
/// What [`locate`] says, [`QemuError::Unusable`], [`QemuError::TooOld`].
pub async fn discover(named: Option<&Path>, guest: Architecture) -> Result<Qemu, QemuError> {
    let path = locate(named, guest)?;
    let (version, sandbox) = tokio::try_join!(ask_version(&path), has_sandbox(&path))?;
    let path = check(path, version, install_line(guest))?;
    let modified = modified(&path);
    Ok(Qemu { path, version, modified, sandbox })
}

/// When a file was last changed, in seconds since 1970; 0 if the system doesn't say.
pub fn modified(path: &Path) -> u64 {
    let modified = path.metadata().and_then(|metadata| metadata.modified());
    modified
        .ok()
        .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
        .map_or(0, |age| age.as_secs())
}

impl Qemu {
    /// Whether it has been neither removed nor replaced.
    pub fn is_still_there(&self) -> bool {
        self.path.is_file() && modified(&self.path) == self.modified
    }
}

/// The first package manager of this host that can install QEMU.
pub fn installer() -> Option<&'static Installer> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut installers = Platform::HOST.installers().iter();
    installers.find(|installer| in_path(&path, &program_names(installer.program)).is_some())
}

/// What to type to install QEMU here.
pub fn install_line(guest: Architecture) -> Option<String> {
    installer().map(|installer| line_of(installer, guest))
}

fn line_of(installer: &Installer, guest: Architecture) -> String {
    let prefix = if installer.needs_root { "sudo " } else { "" };
    let commands = installer.commands(guest);
    let lines: Vec<String> =
        commands.iter().map(|words| format!("{prefix}{}", words.join(" "))).collect();
    lines.join(" && ")
}

/// Finds the program, without running it.
///
/// # Errors
/// [`QemuError::NotThere`], [`QemuError::NotInPath`], [`QemuError::OtherEmulator`],
/// [`QemuError::Missing`].
pub fn locate(named: Option<&Path>, guest: Architecture) -> Result<PathBuf, QemuError> {
    let path = env::var_os("PATH").unwrap_or_default();
    if let Some(named) = named {
        return check_name(locate_named(named, &path)?, guest);
    }
    let program = Platform::HOST.executable(guest.emulator());
    if let Some(found) = in_path(&path, std::slice::from_ref(&program)) {
        return Ok(found);
    }
    let folders: Vec<PathBuf> = well_known(Platform::HOST, |name| env::var(name).ok())
        .into_iter()
        .map(PathBuf::from)
        .collect();
    let found = folders.iter().map(|folder| folder.join(&program)).find(|path| path.is_file());
    found.ok_or_else(|| QemuError::Missing { program, folders, install: install_line(guest) })
}

/// Finds what the user named as a shell would: a bare word in `PATH`, anything else where it says.
/// The result is absolute, so that the file looked at here is the one that runs.
fn locate_named(named: &Path, path: &OsStr) -> Result<PathBuf, QemuError> {
    if named.parent() == Some(Path::new("")) {
        let name = named.to_string_lossy().into_owned();
        let names = [name.clone(), Platform::HOST.executable(&name)];
        return in_path(path, &names).ok_or(QemuError::NotInPath { name });
    }
    match std::path::absolute(named) {
        Ok(path) if path.is_file() => Ok(path),
        _ => Err(QemuError::NotThere { path: named.to_owned() }),
    }
}

/// Refuses the emulator of other guests, as far as its name tells.
fn check_name(path: PathBuf, guest: Architecture) -> Result<PathBuf, QemuError> {
    let is_other = path.file_stem().is_some_and(|stem| stem == guest.other().emulator());
    if is_other { Err(QemuError::OtherEmulator { path, guest }) } else { Ok(path) }
}

/// The folders of the platform's table, with the variables in them filled in; one whose variable
/// is not set is left out.
fn well_known(platform: Platform, variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let filled = |template: &&str| match template.strip_prefix('%') {
        None => Some((*template).to_owned()),
        Some(rest) => {
            let (name, rest) = rest.split_once('%')?;
            Some(variable(name)? + rest)
        }
    };
    platform.qemu_folders().iter().filter_map(filled).collect()
}

fn program_names(program: &str) -> Vec<String> {
    match Platform::HOST {
        Platform::Linux | Platform::Macos => vec![program.to_owned()],
        // scoop is a script.
        Platform::Windows => vec![format!("{program}.exe"), format!("{program}.cmd")],
    }
}

/// Finds a program in folders as `PATH` lists them, and returns its absolute path.
pub fn in_path(path: &OsStr, names: &[String]) -> Option<PathBuf> {
    env::split_paths(path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .filter_map(|file| std::path::absolute(file).ok())
        .find(|file| file.is_file())
}

/// Runs QEMU for an answer.
async fn ask(path: &Path, arguments: &[&str]) -> Result<Output, QemuError> {
    let unusable = |problem| QemuError::Unusable { path: path.to_owned(), problem };
    #[expect(clippy::disallowed_methods, reason = "a question to QEMU that ends with its answer")]
    let mut command = tokio::process::Command::new(path);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    match timeout(ANSWER_WITHIN, command.output()).await {
        Ok(output) => output.map_err(|error| unusable(error.to_string())),
        Err(_) => Err(unusable(format!("no answer in {} s", ANSWER_WITHIN.as_secs()))),
    }
}

/// Tries the sandbox: QEMU may be built without it, and the host's kernel may refuse it. QEMU goes
/// into it before it lists its processors, and not before it says its version.
async fn has_sandbox(path: &Path) -> Result<bool, QemuError> {
    if !Platform::HOST.sandboxes_qemu() {
        return Ok(false);
    }
    let output = ask(path, &[&SANDBOX[..], &["-cpu", "help"]].concat()).await?;
    Ok(output.status.success())
}

async fn ask_version(path: &Path) -> Result<Version, QemuError> {
    let unusable = |problem| QemuError::Unusable { path: path.to_owned(), problem };
    let output = ask(path, &["--version"]).await?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    version_in(&said, &complaint)
        .map_err(|line| unusable(line.map_or_else(|| output.status.to_string(), str::to_owned)))
}

/// Reads the version, or else returns the line that says what went wrong, if there is one.
fn version_in<'a>(said: &'a str, complaint: &'a str) -> Result<Version, Option<&'a str>> {
    let first_line = || complaint.lines().chain(said.lines()).find(|line| !line.trim().is_empty());
    Version::parse(said).ok_or_else(first_line)
}

fn check(path: PathBuf, version: Version, install: Option<String>) -> Result<PathBuf, QemuError> {
    if version < Version::OLDEST {
        return Err(QemuError::TooOld { path, found: version, install });
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Hint;

    #[test]
    fn well_known_folders_follow_the_environment() {
        let variable = |name: &str| match name {
            "ProgramFiles" => Some(r"C:\Program Files".to_owned()),
            "USERPROFILE" => Some(r"C:\Users\ada".to_owned()),
            _ => None,
        };
        assert_eq!(
            well_known(Platform::Windows, variable),
            [
                r"C:\Program Files\qemu",
                r"C:\Users\ada\scoop\apps\qemu\current",
                r"C:\Users\ada\scoop\shims",
                r"C:\msys64\ucrt64\bin",
            ]
        );
        assert_eq!(
            well_known(Platform::Macos, variable),
            ["/opt/homebrew/bin", "/usr/local/bin", "/opt/local/bin"]
        );
    }

    #[test]
    fn the_first_folder_of_the_path_wins() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in [&one, &two] {
            std::fs::File::create(folder.path().join("qemu")).unwrap();
        }
        let path = env::join_paths([one.path(), two.path()]).unwrap();
        let names = ["qemu".to_owned()];
        assert_eq!(in_path(&path, &names), Some(one.path().join("qemu")));
        assert_eq!(in_path(OsStr::new(""), &names), None);
    }

    #[tokio::test]
    async fn a_named_qemu_is_never_replaced_by_another() {
        let path = Path::new("/nowhere/qemu");
        let error = discover(Some(path), Architecture::X86_64).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no QEMU at `/nowhere/qemu`");
        assert_eq!(
            error.hint(),
            "give the emulator's full path to `--qemu` or `NETLAB_QEMU`, or leave both out"
        );
    }

    #[test]
    fn a_named_qemu_is_found_as_a_shell_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::File::create(folder.path().join("q")).unwrap();
        let path = folder.path().as_os_str();
        assert_eq!(locate_named(Path::new("q"), path).unwrap(), folder.path().join("q"));
        // A file of that name in the working directory is not what a shell would run.
        let error = locate_named(Path::new("Cargo.toml"), path).unwrap_err();
        assert_eq!(error.to_string(), "there is no `Cargo.toml` in `PATH`");
        assert_eq!(
            error.hint(),
            "give the emulator's full path to `--qemu` or `NETLAB_QEMU`, or leave both out"
        );
        let here = env::current_dir().unwrap();
        let relative = locate_named(Path::new("./Cargo.toml"), path).unwrap();
        assert_eq!(relative, here.join("Cargo.toml"));
    }

    #[test]
    fn the_emulator_of_other_guests_is_refused_by_its_name() {
        use Architecture::{Aarch64, X86_64};
        let path = || PathBuf::from("/bin/qemu-system-x86_64");
        for (path, guest) in [(path(), X86_64), ("/bin/my-qemu".into(), Aarch64)] {
            check_name(path, guest).unwrap();
        }
        for path in [path(), "qemu-system-x86_64.exe".into()] {
            let error = check_name(path.clone(), Aarch64).unwrap_err();
            let message = format!("`{}` runs amd64 guests, wanted is arm64", path.display());
            assert_eq!(error.to_string(), message);
            assert_eq!(
                error.hint(),
                "name a `qemu-system-aarch64` with `--qemu` or `NETLAB_QEMU`, leave both out, or \
                 take `--arch amd64`"
            );
        }
    }

    #[test]
    fn a_program_that_is_no_qemu_is_quoted() {
        for (said, complaint, line) in [
            ("hello\n", "", Some("hello")),
            ("", "\nlibfdt.so.1: not found\n", Some("libfdt.so.1: not found")),
            ("", "", None),
        ] {
            assert_eq!(version_in(said, complaint), Err(line));
        }
    }

    #[test]
    fn an_old_qemu_is_refused_with_its_version_and_the_cure() {
        let install = Some("sudo apt-get install qemu".to_owned());
        let error = check("/usr/bin/q".into(), Version(6, 2, 0), install).unwrap_err();
        assert_eq!(error.to_string(), "`/usr/bin/q` is QEMU 6.2.0, netlab needs 7.2.0 or newer");
        assert_eq!(
            error.hint(),
            "`sudo apt-get install qemu`, or let `netlab doctor --fix` do it, or name one with \
             `--qemu`"
        );
    }

    #[test]
    fn the_line_to_type_names_sudo_only_where_root_is_needed() {
        let line = |platform: Platform, place: usize| {
            line_of(&platform.installers()[place], Architecture::Aarch64)
        };
        assert_eq!(
            line(Platform::Linux, 0),
            "sudo apt-get update && sudo apt-get install -y --no-install-recommends \
             qemu-system-arm"
        );
        assert_eq!(line(Platform::Macos, 0), "brew install qemu");
    }
}
