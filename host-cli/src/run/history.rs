//! Saved states of the guest, for a lab that is stepped through: the way back to before a step.

use async_trait::async_trait;

use crate::agent::Session;
use crate::error::Error;

/// Saved states of the guest, one before each step of one lab's text.
///
/// A run does not drop a save or a return before its end, not even when it is interrupted.
#[async_trait]
pub trait History: Send {
    /// Saves the guest, whose agent holds the lab, as it is before a step: an index into the
    /// plan's steps. A state that was saved before that step earlier is replaced; the guest goes
    /// on.
    ///
    /// # Errors
    /// Why it could not be saved. The guest has to go on all the same.
    async fn save(&mut self, step: u32) -> Result<(), Error>;

    /// Says whether the guest was saved before that step, with just this lab's text.
    fn has(&self, step: u32) -> bool;

    /// Brings the guest back as it was before that step. Returns a new session with it, whose
    /// agent says that a lab is held; the run attaches to it.
    ///
    /// # Errors
    /// Why it could not be brought back. If the present guest is still there it goes on.
    async fn back(&mut self, step: u32) -> Result<Session, Error>;

    /// Notes down that a step begins, by the number that the reader sees: should the run not come to its
    /// end, the next one can go on there.
    ///
    /// # Errors
    /// Why it could not be noted down.
    fn begins(&mut self, number: u32) -> Result<(), Error>;

    /// Says why this guest can't be saved and brought back, if it can't.
    fn unavailable(&self) -> Option<String>;
}
