//! Clearing away what an earlier session left in the guest.

use netlab_protocol::{Event, Failure, Request};

use super::error::SessionError;
use super::session::Session;
use crate::error::{Exit, Hint};

/// Why something of a lab may still be in the guest.
#[derive(Debug, thiserror::Error)]
pub enum ClearError {
    /// The conversation with the agent broke.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The guest did not do it.
    #[error("the guest could not clear away what a lab left: {failure}")]
    Refused {
        /// What it said.
        failure: Box<Failure>,
    },
    /// It did, as far as it could.
    #[error("could not clear away: {}", errors.join("; "))]
    Left {
        /// What is still there, and why, in words.
        errors: Vec<String>,
    },
}

impl Hint for ClearError {
    fn hint(&self) -> String {
        match self {
            Self::Session(error) => return error.hint(),
            Self::Refused { failure } => match **failure {
                Failure::Busy => {
                    "wait for the other one to end, or use another guest: `--name other`"
                }
                Failure::Command { .. }
                | Failure::Background { .. }
                | Failure::Missing { .. }
                | Failure::Exists { .. }
                | Failure::Protocol { .. }
                | Failure::System { .. } => {
                    "look into the guest with `netlab shell`, or start from a new one: `netlab down`"
                }
            },
            Self::Left { .. } => {
                "see what holds it with `netlab shell`, then try again: the rest is gone"
            }
        }
        .to_owned()
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Session(error) => error.exit(),
            Self::Refused { .. } | Self::Left { .. } => Exit::GuestDown,
        }
    }
}

/// Clears away what an earlier session left. Returns what was removed, in words.
///
/// # Errors
/// [`ClearError`]; nothing is there to clear away if no lab was left.
pub async fn clear(session: &mut Session) -> Result<Vec<String>, ClearError> {
    session.send(&Request::Reset).await?;
    match session.next().await? {
        Event::Closed { removed, errors } if errors.is_empty() => Ok(removed),
        Event::Closed { errors, .. } => Err(ClearError::Left { errors }),
        Event::Failed(failure) => Err(ClearError::Refused { failure: Box::new(failure) }),
        other => Err(session.unexpected("clearing away what a lab left", &other).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netlab_protocol::{Hello, PROTOCOL_VERSION, encode};

    use super::*;
    use crate::platform::Architecture;
    use crate::ssh::test_server::{Guest, connect};

    /// What comes of it if the agent gives this answer.
    async fn outcome(answer: Event) -> Result<Vec<String>, ClearError> {
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: "6.12".to_owned(),
            uptime_ms: 1,
            kept: None,
            held: None,
        };
        let mut guest = Guest::new();
        guest.agent = [b"have\n".to_vec(), encode(&hello).unwrap()].concat();
        guest.answers = Some(Arc::new(move |request| {
            assert_eq!(*request, Request::Reset);
            vec![answer.clone()]
        }));
        let connection = connect(&guest).await.unwrap();
        let mut session = Session::open(&connection, Architecture::HOST).await.unwrap();
        clear(&mut session).await
    }

    #[tokio::test]
    async fn what_could_not_be_cleared_away_is_an_error() {
        let removed = vec!["namespace `red`".to_owned()];
        let whole = Event::Closed { removed: removed.clone(), errors: Vec::new() };
        assert_eq!(outcome(whole).await.unwrap(), removed);
        let errors = vec!["bridge `ovs1`: the switch is gone".to_owned()];
        let error = outcome(Event::Closed { removed, errors }).await.unwrap_err();
        assert_eq!(error.to_string(), "could not clear away: bridge `ovs1`: the switch is gone");
        let error = outcome(Event::Failed(Failure::Busy)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the guest could not clear away what a lab left: another netlab is running a lab in \
             this guest"
        );
        assert!(error.hint().starts_with("wait for the other one"));
    }
}
