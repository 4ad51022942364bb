//! Which provider an instance has: what the options say, and what its record does. The rule: a name
//! belongs to one machine until `netlab down` gives it up.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ssh::{Record, Target};
use super::vagrant;
use crate::context::Context;
use crate::error::{Error, Exit, Hint};
use crate::instance::{InstanceError, Name};

/// A way to a guest, as `--provider` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A machine that netlab starts under QEMU.
    Qemu,
    /// A machine of the user's, by SSH.
    Ssh,
    /// The machine of the `Vagrantfile` in this folder.
    Vagrant,
}

/// The provider of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// QEMU.
    Qemu,
    /// SSH to this machine of the user's.
    Lent(Target),
}

/// The options, or the options and the instance's record, contradict each other.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChoiceError {
    /// No machine is named.
    #[error("`--provider ssh` needs to know which machine")]
    NoHost,
    /// A machine is named for a provider that makes its own.
    #[error("`--host` is for `--provider ssh`")]
    NoSsh,
    /// The name belongs to another kind of machine.
    #[error("`{name}` is {there}")]
    Taken {
        /// The instance.
        name: Name,
        /// What it is, in words.
        there: String,
    },
}

impl Hint for ChoiceError {
    fn hint(&self) -> String {
        match self {
            Self::NoHost => {
                "name it as for `ssh`: `netlab --provider ssh --host user@address up`".to_owned()
            }
            Self::NoSsh => "add `--provider ssh`".to_owned(),
            Self::Taken { name, .. } => format!(
                "leave `--provider` and `--host` out, choose another `--name`, or give the name up \
                 with `netlab down --name {name}`"
            ),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// What the options say.
#[derive(Debug, Clone, Copy)]
struct Wish<'a> {
    provider: Option<Kind>,
    target: Option<&'a Target>,
}

/// Finds the provider of an instance.
///
/// # Errors
/// [`ChoiceError`], or a record that can't be read.
pub fn choose(context: &Context, name: &Name) -> Result<Choice, Error> {
    // The options are about the instance that they mean, whichever else is visited.
    let options = &context.named(name).options;
    let paths = context.home.instance(name);
    let target = match (options.provider, &options.host) {
        (Some(Kind::Vagrant), Some(_)) => return Err(ChoiceError::NoSsh.into()),
        (Some(Kind::Vagrant), None) => Some(Target {
            host: vagrant::MACHINE.to_owned(),
            config: Some(paths.vagrant_config()),
            vagrant: Some(vagrants_folder()?),
        }),
        (_, Some(host)) => {
            let config = options.ssh_config.as_deref().map(from_anywhere).transpose()?;
            Some(Target { host: host.clone(), config, vagrant: None })
        }
        (_, None) => None,
    };
    let record = Record::read(&paths)?.map(|record| record.target);
    let wish = Wish { provider: options.provider, target: target.as_ref() };
    Ok(decide(name, wish, record, paths.record().exists())?)
}

fn decide(
    name: &Name,
    wish: Wish<'_>,
    record: Option<Target>,
    is_qemus: bool,
) -> Result<Choice, ChoiceError> {
    let taken = |there: String| ChoiceError::Taken { name: name.clone(), there };
    match (wish, record) {
        (Wish { provider: None, target: None }, None) => Ok(Choice::Qemu),
        (Wish { provider: None | Some(Kind::Ssh | Kind::Vagrant), target: None }, Some(there)) => {
            Ok(Choice::Lent(there))
        }
        (Wish { provider: None | Some(Kind::Qemu), target: Some(_) }, None) => {
            Err(ChoiceError::NoSsh)
        }
        (Wish { provider: Some(Kind::Qemu), target: None }, None) => Ok(Choice::Qemu),
        (Wish { provider: Some(Kind::Qemu), .. }, Some(there)) => Err(taken(there.to_string())),
        (Wish { provider: Some(Kind::Ssh | Kind::Vagrant), target: None }, None) => {
            Err(ChoiceError::NoHost)
        }
        (Wish { provider: Some(Kind::Ssh | Kind::Vagrant), target: Some(_) }, None) if is_qemus => {
            Err(taken("a guest under QEMU".to_owned()))
        }
        (Wish { provider: Some(Kind::Ssh | Kind::Vagrant), target: Some(target) }, None) => {
            Ok(Choice::Lent(target.clone()))
        }
        (
            Wish { provider: None | Some(Kind::Ssh | Kind::Vagrant), target: Some(target) },
            Some(there),
        ) => {
            if *target == there {
                return Ok(Choice::Lent(there));
            }
            Err(taken(there.to_string()))
        }
    }
}

/// The folder in which Vagrant begins to look for a `Vagrantfile`: what its own variable says, or this
/// one.
fn vagrants_folder() -> Result<PathBuf, InstanceError> {
    let folder = std::env::var_os("VAGRANT_CWD").filter(|folder| !folder.is_empty());
    absolute(&folder.map_or_else(|| PathBuf::from("."), PathBuf::from))
}

/// The SSH configuration as later calls, from other folders, find it.
fn from_anywhere(config: &Path) -> Result<PathBuf, InstanceError> {
    // For `ssh -F` this word is no file: there is no configuration then.
    if config == Path::new("none") { Ok(config.to_owned()) } else { absolute(config) }
}

fn absolute(path: &Path) -> Result<PathBuf, InstanceError> {
    std::path::absolute(path).map_err(|source| InstanceError::File {
        action: "find",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cancel::Canceller;
    use crate::cli::Cli;
    use crate::died::Entered;
    use crate::instance::Home;
    use crate::report::{Reporter, Silent, Terminal};

    #[test]
    fn what_names_a_machine_counts_for_the_one_name_that_it_means() {
        let folder = tempfile::tempdir().unwrap();
        let words = ["netlab", "--name", "lab", "--provider", "ssh", "--host", "pi", "status"];
        let context = Context {
            options: Cli::parse_from(words).options,
            home: Home::at(folder.path().to_owned()),
            terminal: Terminal::detect(),
            reporter: Reporter::new(Box::new(Silent)),
            cancel: Canceller::new().1,
            entered: Entered::default(),
        };
        let [lab, other]: [Name; 2] = ["lab", "other"].map(|name| name.parse().unwrap());
        let pi = Target { host: "pi".to_owned(), config: None, vagrant: None };
        assert_eq!(choose(&context, &lab).unwrap(), Choice::Lent(pi));
        assert_eq!(choose(&context, &other).unwrap(), Choice::Qemu);
        assert_eq!(choose(&context.named(&other), &other).unwrap(), Choice::Qemu);
    }

    #[test]
    fn a_configuration_is_found_from_any_folder() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(from_anywhere(Path::new("ssh.conf")).unwrap(), here.join("ssh.conf"));
        assert_eq!(from_anywhere(Path::new("none")).unwrap(), Path::new("none"));
    }

    #[test]
    fn a_name_belongs_to_one_machine() {
        let target = |host: &str| Target { host: host.to_owned(), config: None, vagrant: None };
        let (pi, vm) = (target("pi"), target("vm"));
        let name: Name = "lab".parse().unwrap();
        let taken =
            |there: &str| Err(ChoiceError::Taken { name: name.clone(), there: there.to_owned() });
        let ssh = |target: &Target| Ok(Choice::Lent(target.clone()));
        let (none, qemu, by_ssh) = (None, Some(Kind::Qemu), Some(Kind::Ssh));
        let rows = [
            (none, None, None, false, Ok(Choice::Qemu)),
            (qemu, None, None, true, Ok(Choice::Qemu)),
            (none, None, Some(&pi), false, ssh(&pi)),
            (by_ssh, None, Some(&pi), false, ssh(&pi)),
            (by_ssh, Some(&pi), None, false, ssh(&pi)),
            (by_ssh, Some(&pi), Some(&pi), false, ssh(&pi)),
            (by_ssh, None, None, false, Err(ChoiceError::NoHost)),
            (none, Some(&pi), None, false, Err(ChoiceError::NoSsh)),
            (by_ssh, Some(&pi), None, true, taken("a guest under QEMU")),
            (by_ssh, Some(&vm), Some(&pi), false, taken("the machine `pi`")),
            (qemu, None, Some(&pi), false, taken("the machine `pi`")),
        ];
        for (provider, target, record, is_qemus, expected) in rows {
            let wish = Wish { provider, target };
            let decided = decide(&name, wish, record.cloned(), is_qemus);
            assert_eq!(decided, expected, "{wish:?} {record:?}");
        }
    }
}
