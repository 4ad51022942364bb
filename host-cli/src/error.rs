//! Errors as the user meets them: what happened, what to type next, and the exit code.
//!
//! Each module has an error enum of its own and implements [`Hint`] for it without a `_` arm, so
//! that a new variant does not compile until someone has written its cure. Only `main` prints.

use std::fmt;

/// Exit codes of `netlab`. They are part of the interface: scripts branch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was as it should be.
    Good,
    /// A lab's check failed, or one of its commands.
    CheckFailed,
    /// The command line or the lab file is wrong.
    Usage,
    /// The host lacks something: QEMU, memory, disk, the image, permission.
    HostLacks,
    /// The guest did not come up, or is not up.
    GuestDown,
    /// The connection to a guest that was up is lost, or its agent does not fit.
    ConnectionLost,
    /// Interrupted by the user.
    Interrupted,
    /// What a command in the guest ended with, passed on as it is.
    Command(u8),
}

impl Exit {
    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::CheckFailed => 1,
            Self::Usage => 2,
            Self::HostLacks => 3,
            Self::GuestDown => 4,
            Self::ConnectionLost => 5,
            Self::Interrupted => 130,
            Self::Command(code) => code,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What each error of ours knows beyond its message.
pub trait Hint: std::error::Error {
    /// What the user types or does next. Commands stand in backticks; one sentence a line.
    fn hint(&self) -> String;
    /// Which exit code the process ends with.
    fn exit(&self) -> Exit;
    /// How to go on with what was broken off, whatever else is found out about the failure.
    fn way_on(&self) -> Option<String> {
        None
    }
}

/// Any failure on its way to `main`, which prints it once.
#[derive(Debug)]
pub struct Error(Box<dyn Reported>);

/// [`Hint`] that can travel between tasks.
trait Reported: Hint + Send + Sync {}

impl<E: Hint + Send + Sync> Reported for E {}

impl Error {
    /// What the user types or does next.
    pub fn hint(&self) -> String {
        let ways = std::iter::once(self.0.hint()).chain(self.way_on());
        ways.collect::<Vec<_>>().join("\n")
    }

    /// How to go on with what was broken off; [`Self::hint`] ends with it.
    pub fn way_on(&self) -> Option<String> {
        self.0.way_on()
    }

    /// Which exit code the process ends with.
    pub fn exit(&self) -> Exit {
        self.0.exit()
    }
}

impl<E: Hint + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for Error {
    /// Writes the message and the chain of causes, each once.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        formatter.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let words = error.to_string();
            if !said.contains(&words) {
                write!(formatter, ": {words}")?;
                said.push_str(&words);
            }
            cause = error.source();
        }
        Ok(())
    }
}
