//! The end of a lab that is open in the guest.

use netlab_protocol::{Event as GuestEvent, Failure, Request};

use super::RunError;
use crate::agent::Session;
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

fn tell(errors: Vec<String>, reporter: &Reporter) {
    for error in errors {
        reporter.emit(Event::Note { text: format!("could not clear away: {error}") });
    }
}
