//! Vagrant, which brings a machine up by the user's `Vagrantfile` and says how to reach it by SSH. The
//! rest is the SSH provider's: the machine is the user's, and Vagrant's own commands end it.

use std::io;
use std::path::Path;
use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::error::{Error, Exit, Hint};
use crate::instance::{InstancePaths, remove_file, replace_file};
use crate::platform::Platform;
use crate::report::{Event, Reporter};

/// The machine's name in its SSH configuration, if the `Vagrantfile` gives it no other.
pub const MACHINE: &str = "default";

/// Oldest Vagrant that netlab was tried with.
const OLDEST: (u32, u32) = (2, 3);

/// What keeps Vagrant from bringing a machine up.
#[derive(Debug, thiserror::Error)]
pub enum VagrantError {
    /// There is none.
    #[error("can't run `vagrant`")]
    Missing(#[source] io::Error),
    /// It is too old, or does not say how old it is.
    #[error("Vagrant says that it is `{said}`, and netlab needs 2.3 or newer")]
    Old {
        /// What `vagrant --version` printed.
        said: String,
    },
    /// It refused a command.
    #[error("`vagrant {verb}` failed in `{folder}`: {words}")]
    Refused {
        /// The command.
        verb: &'static str,
        /// Where the `Vagrantfile` is looked for.
        folder: String,
        /// What it said.
        words: String,
        /// The name of the error in Vagrant's own code, if it told it.
        class: String,
    },
    /// It could not bring the machine up, or not to the end.
    #[error("`vagrant up` failed for the machine of `{folder}` (its state is `{state}`)")]
    NotUp {
        /// Where the `Vagrantfile` is.
        folder: String,
        /// What `vagrant status` says.
        state: String,
    },
}

impl Hint for VagrantError {
    fn hint(&self) -> String {
        match self {
            Self::Missing(_) => "install Vagrant and a provider for it, such as VirtualBox or \
                                 `vagrant-libvirt`; or leave `--provider` out"
                .to_owned(),
            Self::Old { .. } => "install a newer Vagrant, or leave `--provider` out".to_owned(),
            // Of a machine that is up, Vagrant always knows the way.
            Self::Refused { verb: WAY, folder, .. } => {
                format!("it may have been halted: bring it up with `vagrant up` in `{folder}`")
            }
            Self::Refused { class, folder, .. } => match class.rsplit("::").next() {
                Some("NoEnvironmentError") => format!(
                    "go to a folder with a `Vagrantfile`, such as netlab's own checkout; there is \
                     none in `{folder}` or above it"
                ),
                Some("ProviderNotFound" | "ProviderNotFoundSuggestion") => {
                    "install the plugin that it names, such as `vagrant \
                                             plugin install vagrant-libvirt`, or choose another by \
                                             `VAGRANT_DEFAULT_PROVIDER`"
                        .to_owned()
                }
                Some("NoDefaultProvider" | "ProviderNotUsable") => {
                    "install VirtualBox or another provider that Vagrant can use here".to_owned()
                }
                Some(_) | None => format!("see more with `vagrant status` in `{folder}`"),
            },
            Self::NotUp { folder, state } if state == RUNNING => format!(
                "see its own message above, and go on with `vagrant provision` in `{folder}`; \
                 netlab takes a machine that runs as it is"
            ),
            Self::NotUp { folder, .. } => {
                format!("see its own message above, and try `vagrant up` in `{folder}`")
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Missing(_) | Self::Old { .. } | Self::Refused { .. } => Exit::HostLacks,
            Self::NotUp { .. } => Exit::GuestDown,
        }
    }
}

/// Brings the machine of a `Vagrantfile` up, if it is not, and writes how to reach it into the
/// instance's folder.
///
/// # Errors
/// [`VagrantError`], or the file can't be written.
pub async fn bring_up(
    folder: &Path,
    paths: &InstancePaths,
    reporter: &Reporter,
) -> Result<(), Error> {
    let said = run(&["--version"], folder).await?;
    let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    if !is_new_enough(&said) {
        return Err(VagrantError::Old { said }.into());
    }
    paths.create_folder()?;
    let state = state(folder).await?;
    if state != RUNNING {
        let text = format!("the machine of `{}` is `{state}`: `vagrant up`", folder.display());
        reporter.emit(Event::Note { text });
        if state == NOT_CREATED {
            // A new machine has a new key.
            remove_file(&paths.known_hosts())?;
        }
        up(folder).await?;
    }
    note_way(folder, paths).await
}

/// Asks Vagrant how to reach a machine that is up, and notes it down.
///
/// # Errors
/// [`VagrantError::Refused`], or the file can't be written.
pub async fn note_way(folder: &Path, paths: &InstancePaths) -> Result<(), Error> {
    let output = refused(WAY, folder, run(&[WAY], folder).await?)?;
    paths.create_folder()?;
    Ok(replace_file(&paths.vagrant_config(), &output.stdout)?)
}

/// Runs `vagrant up`. What it says goes to standard error, where the user sees it.
async fn up(folder: &Path) -> Result<(), VagrantError> {
    // Not killed with us: a machine that is cut short while it is made is broken.
    let mut command = vagrant(&["up"], folder);
    let status = command.stdout(Stdio::from(io::stderr())).status().await;
    let is_well = status.map_err(VagrantError::Missing)?.success();
    let state = state(folder).await?;
    if is_well && state == RUNNING {
        return Ok(());
    }
    Err(VagrantError::NotUp { folder: folder.display().to_string(), state })
}

/// Vagrant's verb that tells how to reach a machine. Its answer is a configuration, which has no
/// machine-readable form.
const WAY: &str = "ssh-config";

/// Vagrant's word for a machine that runs.
const RUNNING: &str = "running";

/// Its word for one that is not there.
const NOT_CREATED: &str = "not_created";

async fn state(folder: &Path) -> Result<String, VagrantError> {
    let words = ["status", "--machine-readable", MACHINE];
    let output = refused("status", folder, run(&words, folder).await?)?;
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(field(&said, "state").unwrap_or_default())
}

/// Makes an error of an output that tells of one.
fn refused(verb: &'static str, folder: &Path, output: Output) -> Result<Output, VagrantError> {
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let class = field(&said, "error-exit").unwrap_or_default();
    let words = match said.lines().find_map(|line| line.split_once(",error-exit,")) {
        Some((_, told)) => told.split_once(',').map_or(told, |(_, words)| words).to_owned(),
        None => String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    let words = plain(&words);
    Err(VagrantError::Refused { verb, folder: folder.display().to_string(), words, class })
}

/// The first field behind a type in machine-readable output: `time,target,type,data…`.
pub(super) fn field(said: &str, kind: &str) -> Option<String> {
    let rows = said.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row.get(2) == Some(&kind))?;
    row.get(3).map(|&data| data.to_owned())
}

/// A message of machine-readable output as people read it, on one line.
pub(super) fn plain(message: &str) -> String {
    let message = message.replace("%!(VAGRANT_COMMA)", ",").replace("\\n", " ");
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether `Vagrant 2.3.4` is new enough.
pub(super) fn is_new_enough(said: &str) -> bool {
    let version = said.strip_prefix("Vagrant ").unwrap_or_default();
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    let mut next = || numbers.next().flatten();
    matches!((next(), next()), (Some(major), Some(minor)) if (major, minor) >= OLDEST)
}

async fn run(words: &[&str], folder: &Path) -> Result<Output, VagrantError> {
    vagrant(words, folder).output().await.map_err(VagrantError::Missing)
}

fn vagrant(words: &[&str], folder: &Path) -> Command {
    let program = Platform::HOST.executable("vagrant");
    #[expect(clippy::disallowed_methods, reason = "this module owns Vagrant")]
    let mut command = Command::new(program);
    command.args(words).current_dir(folder).stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (said, new) in [
            ("Vagrant 2.3.4", true),
            ("Vagrant 2.10.0", true),
            ("Vagrant 3.0.0.dev", true),
            ("Vagrant 2.2.19", false),
            ("Vagrant 1.9", false),
            ("", false),
        ] {
            assert_eq!(is_new_enough(said), new, "{said}");
        }
    }

    #[test]
    fn the_state_and_errors_are_read_from_machine_readable_lines() {
        let said = "1700000000,default,metadata,provider,libvirt\n\
                    1700000001,default,provider-name,libvirt\n\
                    1700000002,default,state,not_created\n\
                    1700000003,default,state-human-short,not created\n";
        assert_eq!(field(said, "state").as_deref(), Some(NOT_CREATED));
        let message = "A Vagrant environment or target machine is required%!(VAGRANT_COMMA)\\nso \
                       run `vagrant init`";
        assert_eq!(
            plain(message),
            "A Vagrant environment or target machine is required, so run `vagrant init`"
        );
    }

    #[test]
    fn each_refusal_has_a_cure_of_its_own() {
        let hint = |verb: &'static str, class: &str| {
            VagrantError::Refused {
                verb,
                folder: "/w".to_owned(),
                words: "no".to_owned(),
                class: class.to_owned(),
            }
            .hint()
        };
        assert!(hint("status", "Vagrant::Errors::NoEnvironmentError").contains("a `Vagrantfile`"));
        assert!(hint("status", "Vagrant::Errors::ProviderNotFound").contains("plugin install"));
        assert!(
            hint("status", "Vagrant::Errors::ProviderNotFoundSuggestion")
                .contains("plugin install")
        );
        assert!(hint("status", "Vagrant::Errors::NoDefaultProvider").contains("VirtualBox"));
        assert!(hint(WAY, "").contains("`vagrant up` in `/w`"));
        assert!(hint("status", "").contains("`vagrant status` in `/w`"));
    }

    #[test]
    fn a_machine_that_was_not_finished_is_not_brought_up_again_but_provisioned() {
        let hint = |state: &str| {
            let (folder, state) = ("/w".to_owned(), state.to_owned());
            VagrantError::NotUp { folder, state }.hint()
        };
        assert!(hint(RUNNING).contains("`vagrant provision` in `/w`"));
        assert!(hint(NOT_CREATED).contains("`vagrant up` in `/w`"));
        assert!(hint("shutoff").contains("`vagrant up` in `/w`"));
    }
}
