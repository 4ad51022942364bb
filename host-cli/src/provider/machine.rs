//! Whose machine a guest is. netlab's own can be swapped, saved and brought back; one that is lent to
//! it stays what it is, and only labs come and go on it.

use async_trait::async_trait;

use super::checkpoint::{Back, Checkpoint, Forget, Label, Saved, Wanted};
use super::{Endpoint, Fate, Seen};
use crate::cancel::Cancel;
use crate::error::{Error, Exit, Hint};
use crate::report::Reporter;

/// Whose the machine is.
pub enum Machine<'a> {
    /// netlab starts it and ends it.
    Own(&'a dyn Emulator),
    /// It was there before, and stays.
    Lent {
        /// How the user calls it.
        host: &'a str,
    },
}

/// Which guest may make way for a clean one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expendable {
    /// Whatever was done in it: the user has said so.
    Any,
    /// One in which the user has not worked.
    Unused,
}

/// What a provider can do besides whose guests are machines of netlab's own.
#[async_trait]
pub trait Emulator: Send + Sync {
    /// Puts a clean guest in the place of the one that is up: the same name, port and keys, another
    /// machine. `None`, and nothing done, where a clean one costs a whole boot, none is up, or it is
    /// not `expendable` (any more). What the clean one goes on from is there before the old one ends,
    /// and an interruption counts only until then.
    async fn swap(
        &self,
        expendable: Expendable,
        cancel: &Cancel,
        reporter: &Reporter,
    ) -> Result<Option<Endpoint>, Error>;
    /// The command line that `up` would run, program first. Starts nothing.
    async fn command(&self, reporter: &Reporter) -> Result<Vec<String>, Error>;
    /// What became of a guest, once the connection to it is lost; `None` if nothing is left to tell.
    async fn fate(&self, seen: &Seen) -> Result<Option<Fate>, Error>;
    /// Notes down that the user works in the guest that is up, if one is, and says how to reach it. No
    /// other netlab swaps or ends it meanwhile: whoever does is waited for, and the mark is on the guest
    /// that is there then. Its clock is set, which stood still while the host slept; what keeps netlab
    /// from that is a note.
    async fn enter(&self, reporter: &Reporter) -> Result<Option<Endpoint>, Error>;
    /// Saves the guest that is up as a checkpoint. It runs on, after an error as well. Must not be
    /// cut short.
    async fn save(&self, wanted: Wanted, reporter: &Reporter) -> Result<Saved, Error>;
    /// Puts the guest of a checkpoint in the place of the one that is up, or of none: the same name,
    /// port and keys. Without a label it is the newest that the user made. Whatever is wrong with
    /// the checkpoint is found while the present guest runs on. Must not be cut short.
    async fn back(&self, label: Option<&Label>, reporter: &Reporter) -> Result<Back, Error>;
    /// Why guests can't be saved here, if they can't.
    fn unsavable(&self) -> Option<String>;
    /// The checkpoints of the instance, oldest first.
    fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error>;
    /// Removes checkpoints, none of which is being saved or brought back meanwhile. Returns the labels
    /// of those that were there.
    async fn forget(&self, which: &Forget) -> Result<Vec<Label>, Error>;
}

/// The verb is for machines of netlab's own.
#[derive(Debug, thiserror::Error)]
#[error(
    "`netlab {verb}` is for guests that netlab starts itself, and `{host}` is a machine of yours"
)]
pub struct NotOurs {
    verb: &'static str,
    host: String,
}

impl Hint for NotOurs {
    fn hint(&self) -> String {
        "`netlab demo`, `exec`, `shell`, `reset`, `status`, `logs` and `down` work there; for the \
         others take a guest of netlab's own, under another `--name`"
            .to_owned()
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl<'a> Machine<'a> {
    /// What can be done with the machine, if it is netlab's own.
    pub fn emulator(&self) -> Option<&'a dyn Emulator> {
        match *self {
            Self::Own(emulator) => Some(emulator),
            Self::Lent { .. } => None,
        }
    }

    /// The same for a verb that makes no sense elsewhere.
    ///
    /// # Errors
    /// [`NotOurs`].
    pub fn own(&self, verb: &'static str) -> Result<&'a dyn Emulator, NotOurs> {
        match *self {
            Self::Own(emulator) => Ok(emulator),
            Self::Lent { host } => Err(NotOurs { verb, host: host.to_owned() }),
        }
    }
}
