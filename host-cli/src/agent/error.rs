//! What can go wrong between netlab and its agent.

use std::time::Duration;

use netlab_protocol::{FrameError, HelloMismatch};

use super::binary::NotBuiltIn;
use crate::error::{Exit, Hint};
use crate::ssh::SshError;

/// Why a session could not be opened or went wrong.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The connection below it failed.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// This netlab has no agent for the guest.
    #[error(transparent)]
    NotBuiltIn(#[from] NotBuiltIn),
    /// The agent could not be put into the guest.
    #[error("could not put the agent into the guest: {problem}{}", last_words(words))]
    Ship {
        /// What happened instead.
        problem: String,
        /// What the guest said on standard error.
        words: String,
    },
    /// The agent was started and said nothing.
    #[error("the guest's agent did not say hello within {} s{}", limit.as_secs(), last_words(words))]
    NoHello {
        /// Its deadline.
        limit: Duration,
        /// What it said on standard error.
        words: String,
    },
    /// The agent is of another build.
    #[error(transparent)]
    Mismatch(#[from] HelloMismatch),
    /// A message could not be written or read.
    #[error("the conversation with the guest's agent broke while {doing}")]
    Frame {
        /// What it was about.
        doing: String,
        /// What was wrong with the message.
        #[source]
        source: FrameError,
    },
    /// The agent or the connection to it ended.
    #[error("the guest's agent was lost while {doing}: {cause}{}", last_words(words))]
    Lost {
        /// What it was doing.
        doing: String,
        /// How it ended.
        cause: String,
        /// What it said last on standard error.
        words: String,
    },
    /// The agent answered with something else than what was asked for.
    #[error("the guest's agent said `{said}` while {doing}")]
    Unexpected {
        /// What it was asked for.
        doing: String,
        /// The kind of event that came.
        said: String,
    },
}

impl Hint for SessionError {
    fn hint(&self) -> String {
        match self {
            Self::Ssh(error) => return error.hint(),
            Self::NotBuiltIn(error) => return error.hint(),
            Self::Ship { .. } => {
                "see whether the guest has space left, in memory or, if it is a machine of yours, on \
                 its disk: `netlab exec -- df /run /var/lib`"
            }
            Self::NoHello { .. } => "see what the guest says: `netlab logs`",
            Self::Mismatch(_) | Self::Frame { .. } | Self::Unexpected { .. } => {
                "have the guest's agent put there anew with `netlab down`, then `netlab up`"
            }
            Self::Lost { .. } => {
                "see whether the guest still runs with `netlab status`, and what it said last with `netlab logs`"
            }
        }
        .to_owned()
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Ssh(error) => error.exit(),
            Self::NotBuiltIn(error) => error.exit(),
            Self::Ship { .. } | Self::NoHello { .. } => Exit::GuestDown,
            Self::Mismatch(_)
            | Self::Frame { .. }
            | Self::Lost { .. }
            | Self::Unexpected { .. } => Exit::ConnectionLost,
        }
    }
}

/// Adds what a program said last, if it said anything.
fn last_words(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!("; its last words: {words}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_last_words_are_told_if_there_are_any() {
        let lost = |words: &str| SessionError::Lost {
            doing: "running a step".to_owned(),
            cause: "it ended with exit status 101".to_owned(),
            words: words.to_owned(),
        };
        let limit = Duration::from_secs(20);
        let cases = [
            (
                lost(""),
                "the guest's agent was lost while running a step: it ended with exit status 101",
            ),
            (
                lost("no memory"),
                "the guest's agent was lost while running a step: it ended with exit status 101; its last words: no memory",
            ),
            (
                SessionError::NoHello { limit, words: String::new() },
                "the guest's agent did not say hello within 20 s",
            ),
            (
                SessionError::Ship { problem: "it broke".to_owned(), words: "full".to_owned() },
                "could not put the agent into the guest: it broke; its last words: full",
            ),
        ];
        for (error, words) in cases {
            assert_eq!(error.to_string(), words);
        }
    }
}
