//! Ways to a guest. A provider brings a machine up and says how to reach it by SSH; everything
//! behind that is its own business.
//!
//! To add a provider: one file (or folder) here, and one line in [`open`].

pub mod checkpoint;
mod choice;
mod fate;
#[cfg(test)]
mod hostile;
pub mod machine;
pub mod qemu;
pub mod ssh;
mod vagrant;

use std::path::PathBuf;

use async_trait::async_trait;
use netlab_fault::Way;
use serde::{Deserialize, Serialize};

use self::choice::Choice;
use crate::context::Context;
use crate::error::{Error, Exit, Hint};
use crate::instance::{Home, Name};
use crate::platform::Architecture;
use crate::report::Reporter;
use crate::ssh::{Address, Login};

pub use choice::Kind;
pub use fate::{Fate, Seen};
pub use machine::{Expendable, Machine};

/// How a guest is started, quickest first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// From the memory of a guest that was booted once, mapped and copied where it is written.
    Clone,
    /// From the saved state of such a guest, read as a stream.
    Restore,
    /// By booting its kernel.
    Cold,
}

impl Tier {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 3] = [Self::Clone, Self::Restore, Self::Cold];

    /// The word for it, as `--start` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::Restore => "restore",
            Self::Cold => "cold",
        }
    }

    /// What the start of an instance is to the fault points.
    pub fn way(self, name: &str) -> Way {
        match self {
            _ if name == Name::workshop().as_str() => Way::Template,
            Self::Clone => Way::Clone,
            Self::Restore => Way::Restore,
            Self::Cold => Way::Cold,
        }
    }
}

/// How to reach a guest that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name of the instance.
    pub name: String,
    /// Address and port of its SSH server, as seen from here.
    pub address: Address,
    /// The user to log in as.
    pub user: String,
    /// With what to log in, and by what the server is known.
    pub login: Login,
    /// The guest's processor.
    pub architecture: Architecture,
    /// Accelerator in words, such as `kvm` or `tcg`; `None` if netlab did not start the machine.
    pub accelerator: Option<String>,
    /// How netlab started it, if it did.
    pub tier: Option<Tier>,
    /// Whether the guest was up before this call.
    pub attached: bool,
    /// Which guest it leads to; `None` if netlab did not start the machine.
    pub seen: Option<Seen>,
}

/// The guest that is up is of another architecture than the one that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("guest `{name}` is an {found} guest, wanted is {wanted}")]
pub struct OtherArchitecture {
    /// Name of the instance.
    name: String,
    /// What it is.
    found: Architecture,
    /// What was asked for.
    wanted: Architecture,
}

impl OtherArchitecture {
    /// Makes sure that a guest is of the architecture that was asked for, if any was.
    ///
    /// # Errors
    /// It is not.
    pub fn check(
        name: &str,
        found: Architecture,
        wanted: Option<Architecture>,
    ) -> Result<(), Self> {
        match wanted {
            Some(wanted) if wanted != found => Err(Self { name: name.to_owned(), found, wanted }),
            Some(_) | None => Ok(()),
        }
    }
}

impl Hint for OtherArchitecture {
    fn hint(&self) -> String {
        let Self { name, .. } = self;
        format!(
            "leave out `--arch`, end the guest with `netlab down --name {name}`, or give another \
             one a name of its own with `--name`"
        )
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// The state of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and not for long")]
pub enum Status {
    /// It runs.
    Up(Endpoint),
    /// Another netlab is starting it right now.
    Starting,
    /// It does not; whatever was left of an earlier run has been cleared away.
    Down,
}

/// One log file of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// The word by which `netlab logs` knows it, such as `serial`.
    pub name: &'static str,
    /// Where it is.
    pub path: PathBuf,
}

/// A way to a guest.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Brings the guest up, or attaches to it if it is up, until its SSH server listens. Emits the
    /// phases up to and including `network`, and the start of `ssh`, which ends with an
    /// authentication; nothing of these when it attaches.
    async fn up(&self, reporter: &Reporter) -> Result<Endpoint, Error>;
    /// Says whether the guest runs, after clearing away what a crash may have left, and telling so.
    async fn status(&self, reporter: &Reporter) -> Result<Status, Error>;
    /// Ends the guest and removes everything of the instance. Returns, in words, what was ended;
    /// nothing to end is no error.
    async fn down(&self, reporter: &Reporter) -> Result<Vec<String>, Error>;
    /// The log files of the instance; they need not exist.
    fn logs(&self) -> Vec<LogFile>;
    /// Whose the machine is, and what can be done with one of netlab's own.
    fn machine(&self) -> Machine<'_>;
}

/// Ends what killed netlabs left behind that belongs to no instance. Returns, in words, what was
/// ended; nothing to end is no error.
///
/// # Errors
/// What can't be ended.
pub async fn clear_leftovers(context: &Context) -> Result<Vec<String>, Error> {
    let mut ended = qemu::trial::clear(&context.home).await?;
    ended.extend(qemu::making::clear_leftovers(&context.home).await?);
    Ok(ended)
}

/// Makes sure that the next start has a saved guest to go on from.
///
/// # Errors
/// Guests can only be booted here, or what keeps one from being saved.
pub async fn warm(context: &Context) -> Result<qemu::warm::Warm, Error> {
    let provider = qemu::QemuProvider::of(context, &context.name()?);
    provider.warm(&context.reporter).await
}

/// Names of all instances that have checkpoints, whether they are up or not.
///
/// # Errors
/// The folder can't be read.
pub fn saved_instances(home: &Home) -> Result<Vec<Name>, Error> {
    Ok(qemu::checkpoint::owners(home)?)
}

/// The provider of an instance: the one that the options name, else the one that its record does.
///
/// # Errors
/// The two don't go together, or the record can't be read.
pub fn open(context: &Context, name: &Name) -> Result<Box<dyn Provider>, Error> {
    Ok(match choice::choose(context, name)? {
        Choice::Qemu => Box::new(qemu::QemuProvider::of(context, name)),
        Choice::Lent(target) => Box::new(ssh::SshProvider::of(context, name, target)),
    })
}

/// The machine of the user's that an instance is for; `None` if netlab starts its own.
///
/// # Errors
/// As [`open`].
pub fn lent(context: &Context, name: &Name) -> Result<Option<ssh::SshProvider>, Error> {
    Ok(match choice::choose(context, name)? {
        Choice::Qemu => None,
        Choice::Lent(target) => Some(ssh::SshProvider::of(context, name, target)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_of_another_architecture_is_refused_and_one_of_any_is_not() {
        use Architecture::{Aarch64, X86_64};
        for wanted in [None, Some(Aarch64)] {
            OtherArchitecture::check("a", Aarch64, wanted).unwrap();
        }
        let error = OtherArchitecture::check("a", Aarch64, Some(X86_64)).unwrap_err();
        assert_eq!(error.to_string(), "guest `a` is an arm64 guest, wanted is amd64");
        assert_eq!(
            error.hint(),
            "leave out `--arch`, end the guest with `netlab down --name a`, or give another one a \
             name of its own with `--name`"
        );
    }
}
