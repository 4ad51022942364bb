//! The end of a lab in the guest: closing the one that is open, and clearing away what an earlier
//! session left.

use netlab_protocol::{Event as GuestEvent, Failure, Request};

use super::RunError;
use crate::agent::Session;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::report::{Event, Reporter};

/// Ends the open lab. Returns what was removed, in words.
///
/// # Errors
/// [`RunError::Failed`], or a lost connection.
pub(super) async fn close(
    session: &mut Session,
    keep: bool,
    reporter: &Reporter,
) -> Result<Vec<String>, Error> {
    session.send(&Request::Close { keep }).await?;
    loop {
        match session.next().await? {
            GuestEvent::Closed { removed, errors } => return Ok(told(removed, errors, reporter)),
            GuestEvent::Failed(failure @ Failure::Protocol { .. }) => {
                let failure = Box::new(failure);
                return Err(RunError::Failed { doing: "end the lab", failure }.into());
            }
            // A step that was cut short may still have something to say.
            _ => {}
        }
    }
}

/// Clears away what an earlier session left. Returns what was removed, in words.
///
/// # Errors
/// [`RunError::Failed`] if another session is at it or the guest can't; a lost connection; an
/// interruption.
pub async fn reset(
    session: &mut Session,
    reporter: &Reporter,
    cancel: &Cancel,
) -> Result<Vec<String>, Error> {
    cancel.guard(clear(session, reporter)).await
}

/// As [`reset`], to its end.
///
/// # Errors
/// [`RunError::Failed`] if another session is at it or the guest can't; a lost connection.
pub(super) async fn clear(
    session: &mut Session,
    reporter: &Reporter,
) -> Result<Vec<String>, Error> {
    session.send(&Request::Reset).await?;
    match session.next().await? {
        GuestEvent::Closed { removed, errors } => Ok(told(removed, errors, reporter)),
        GuestEvent::Failed(failure) => {
            let failure = Box::new(failure);
            Err(RunError::Failed { doing: "clear away what a lab left", failure }.into())
        }
        other => Err(session.unexpected("clearing away what a lab left", &other).into()),
    }
}

fn told(removed: Vec<String>, errors: Vec<String>, reporter: &Reporter) -> Vec<String> {
    for error in errors {
        reporter.emit(Event::Note { text: format!("could not clear away: {error}") });
    }
    removed
}
