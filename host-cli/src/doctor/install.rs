//! Installs QEMU with the host's own package manager. The rule: nothing is installed without a
//! yes, and the user sees the very commands that run.

use std::env;
use std::io;
use std::process::Stdio;

use crate::error::{Exit, Hint};
use crate::platform::{self, Architecture, Installer};
use crate::provider::qemu::discover;

/// Why QEMU could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// No package manager that we know.
    #[error("this host has no package manager that netlab knows how to use")]
    NoManager,
    /// Root is needed, and there is no way to it.
    #[error("`{command}` must run as root, and there is no `sudo`")]
    NotRoot {
        /// What would run.
        command: String,
    },
    /// Nobody could be asked.
    #[error("QEMU is missing, and nobody can be asked whether `{command}` may run")]
    NobodyToAsk {
        /// What would run.
        command: String,
    },
    /// The user said no.
    #[error("QEMU is missing, and `{command}` was not wanted")]
    Declined {
        /// What would have run.
        command: String,
    },
    /// The question could not be asked.
    #[error("can't ask on the terminal")]
    Terminal(#[source] io::Error),
    /// The command could not be started.
    #[error("can't run `{command}`")]
    Start {
        /// What was to run.
        command: String,
        /// What the system says.
        source: io::Error,
    },
    /// The command failed.
    #[error("`{command}` failed ({status})")]
    Failed {
        /// What ran.
        command: String,
        /// How it ended, in words.
        status: String,
    },
}

impl Hint for InstallError {
    fn hint(&self) -> String {
        match self {
            Self::NoManager => {
                "install QEMU 7.2 or newer by hand, then name it with `--qemu`".to_owned()
            }
            Self::NotRoot { command } => format!("as root, run `{command}`"),
            Self::NobodyToAsk { command } | Self::Declined { command } => {
                format!("give `--yes`, or run `{command}` yourself")
            }
            Self::Terminal(_) => "give `--yes`".to_owned(),
            Self::Start { command, .. } => format!("run `{command}` yourself"),
            Self::Failed { command, .. } => {
                format!("see its own message above; then run `{command}` yourself")
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NoManager
            | Self::NotRoot { .. }
            | Self::NobodyToAsk { .. }
            | Self::Declined { .. }
            | Self::Terminal(_)
            | Self::Start { .. }
            | Self::Failed { .. } => Exit::HostLacks,
        }
    }
}

/// The commands that install QEMU on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    commands: Vec<Vec<String>>,
}

impl Installation {
    /// Plans the installation of the emulator for such guests.
    ///
    /// # Errors
    /// [`InstallError::NoManager`], [`InstallError::NotRoot`].
    pub fn plan(guest: Architecture) -> Result<Self, InstallError> {
        let path = env::var_os("PATH").unwrap_or_default();
        let has_sudo = discover::in_path(&path, &["sudo".to_owned()]).is_some();
        plan(discover::installer(), guest, platform::is_root(), has_sudo)
    }

    /// The commands as they would be typed, one a line.
    pub fn lines(&self) -> Vec<String> {
        self.commands.iter().map(|words| words.join(" ")).collect()
    }

    fn line(&self) -> String {
        self.lines().join(" && ")
    }

    /// Gets the user's yes: by `--yes`, or by `ask`, which is called only on a terminal.
    ///
    /// # Errors
    /// [`InstallError::NobodyToAsk`], [`InstallError::Declined`], [`InstallError::Terminal`].
    pub fn consent(
        &self,
        yes: bool,
        is_terminal: bool,
        ask: impl FnOnce(&[String]) -> io::Result<bool>,
    ) -> Result<(), InstallError> {
        if yes {
            return Ok(());
        }
        if !is_terminal {
            return Err(InstallError::NobodyToAsk { command: self.line() });
        }
        match ask(&self.lines()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(InstallError::Declined { command: self.line() }),
            Err(error) => Err(InstallError::Terminal(error)),
        }
    }

    /// Runs the commands. All that they say goes to standard error, where the user sees it, and
    /// standard output stays free for results.
    ///
    /// # Errors
    /// [`InstallError::Start`], [`InstallError::Failed`].
    pub async fn run(&self) -> Result<(), InstallError> {
        for words in &self.commands {
            let command = words.join(" ");
            let Some((program, arguments)) = words.split_first() else {
                continue;
            };
            // Not killed with us: a package manager cut short leaves the host half-installed.
            #[expect(
                clippy::disallowed_methods,
                reason = "the doctor owns the host's package manager"
            )]
            let mut process = tokio::process::Command::new(program);
            let status = process
                .args(arguments)
                // Debian's packages ask nothing then; others don't know the name.
                .env("DEBIAN_FRONTEND", "noninteractive")
                .stdout(Stdio::from(io::stderr()))
                .status()
                .await
                .map_err(|source| InstallError::Start { command: command.clone(), source })?;
            if !status.success() {
                return Err(InstallError::Failed { command, status: status.to_string() });
            }
        }
        Ok(())
    }
}

fn plan(
    installer: Option<&Installer>,
    guest: Architecture,
    is_root: bool,
    has_sudo: bool,
) -> Result<Installation, InstallError> {
    let installer = installer.ok_or(InstallError::NoManager)?;
    let mut commands = installer.commands(guest);
    if installer.needs_root && !is_root {
        if !has_sudo {
            let command = Installation { commands }.line();
            return Err(InstallError::NotRoot { command });
        }
        for words in &mut commands {
            words.insert(0, "sudo".to_owned());
        }
    }
    Ok(Installation { commands })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Platform;

    fn apt(is_root: bool, has_sudo: bool) -> Result<Installation, InstallError> {
        let installer = Platform::Linux.installers().first();
        plan(installer, Architecture::X86_64, is_root, has_sudo)
    }

    #[test]
    fn root_needs_no_sudo_and_others_get_it_or_are_told() {
        let line = "apt-get install -y --no-install-recommends qemu-system-x86";
        assert_eq!(apt(true, false).unwrap().lines(), ["apt-get update", line]);
        assert_eq!(
            apt(false, true).unwrap().lines(),
            ["sudo apt-get update".to_owned(), format!("sudo {line}")]
        );
        let error = apt(false, false).unwrap_err();
        let both = format!("apt-get update && {line}");
        assert_eq!(error.to_string(), format!("`{both}` must run as root, and there is no `sudo`"));
        assert_eq!(error.hint(), format!("as root, run `{both}`"));
        let brew = Platform::Macos.installers().first();
        let lines = plan(brew, Architecture::Aarch64, false, true).unwrap().lines();
        assert_eq!(lines, ["brew install qemu"]);
    }

    #[test]
    fn nothing_is_installed_without_a_yes() {
        let installation = apt(true, false).unwrap();
        let never = |_: &[String]| -> io::Result<bool> { panic!("asked") };
        installation.consent(true, false, never).unwrap();
        installation.consent(false, true, |_| Ok(true)).unwrap();
        let line = installation.line();
        let nobody = installation.consent(false, false, never).unwrap_err();
        assert_eq!(
            nobody.to_string(),
            format!("QEMU is missing, and nobody can be asked whether `{line}` may run")
        );
        let declined = installation.consent(false, true, |_| Ok(false)).unwrap_err();
        assert_eq!(declined.to_string(), format!("QEMU is missing, and `{line}` was not wanted"));
        assert_eq!(declined.hint(), format!("give `--yes`, or run `{line}` yourself"));
    }

    #[tokio::test]
    async fn a_failing_command_ends_the_installation() {
        let command = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let program = env::current_exe().unwrap().to_string_lossy().into_owned();
        let installation = Installation {
            commands: vec![
                command(&[&program, "--list"]),
                command(&[&program, "--no-such-option"]),
            ],
        };
        let error = installation.run().await.unwrap_err();
        assert!(matches!(error, InstallError::Failed { .. }), "{error}");
        let missing = Installation { commands: vec![command(&["/nowhere/apt-get"])] };
        let error = missing.run().await.unwrap_err();
        assert_eq!(error.to_string(), "can't run `/nowhere/apt-get`");
    }
}
