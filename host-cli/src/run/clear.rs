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
            GuestEvent::Closed { removed, errors } => {
                tell(errors, reporter);
                return Ok(removed);
            }
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
/// [`RunError::Failed`] if another session is at it or the guest can't; [`RunError::Left`] if
/// something is still there; a lost connection; an interruption.
pub async fn reset(session: &mut Session, cancel: &Cancel) -> Result<Vec<String>, Error> {
    cancel.guard(clear(session)).await
}

/// As [`reset`], to its end.
///
/// # Errors
/// As [`reset`], but for the interruption.
pub(super) async fn clear(session: &mut Session) -> Result<Vec<String>, Error> {
    session.send(&Request::Reset).await?;
    match session.next().await? {
        GuestEvent::Closed { removed, errors } if errors.is_empty() => Ok(removed),
        GuestEvent::Closed { errors, .. } => Err(RunError::Left { errors }.into()),
        GuestEvent::Failed(failure) => {
            let failure = Box::new(failure);
            Err(RunError::Failed { doing: "clear away what a lab left", failure }.into())
        }
        other => Err(session.unexpected("clearing away what a lab left", &other).into()),
    }
}

fn tell(errors: Vec<String>, reporter: &Reporter) {
    for error in errors {
        reporter.emit(Event::Note { text: format!("could not clear away: {error}") });
    }
}
