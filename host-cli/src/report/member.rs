//! One guest of a group, as renderers see it.

use std::time::Duration;

use crate::provider::{Endpoint, Tier};

/// What came of a guest of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name of the instance.
    pub name: String,
    /// What came of it.
    pub state: MemberState,
    /// Address of its SSH port on the host, if it is up.
    pub address: Option<String>,
    /// How it was started, if it is up.
    pub tier: Option<Tier>,
    /// Time from its own start to the agent's answer, or to the failure.
    pub took: Option<Duration>,
    /// Why it did not come up.
    pub problem: Option<String>,
}

/// What came of a guest of a group, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// It has been started.
    Up,
    /// It was up already.
    WasUp,
    /// It did not come up.
    Failed,
    /// It was not tried, or was ended half-started by an interruption.
    NotStarted,
}

impl MemberState {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::WasUp => "was up",
            Self::Failed => "failed",
            Self::NotStarted => "not started",
        }
    }
}

impl Member {
    /// A guest that has not been tried.
    pub fn not_started(name: &str) -> Self {
        let (name, state) = (name.to_owned(), MemberState::NotStarted);
        Self { name, state, address: None, tier: None, took: None, problem: None }
    }

    /// A guest that is up.
    pub fn up(endpoint: &Endpoint, took: Duration) -> Self {
        Self {
            state: if endpoint.attached { MemberState::WasUp } else { MemberState::Up },
            address: Some(endpoint.address.to_string()),
            tier: endpoint.tier,
            took: Some(took),
            ..Self::not_started(&endpoint.name)
        }
    }

    /// A guest that did not come up.
    pub fn failed(name: &str, took: Duration, problem: &str) -> Self {
        Self {
            state: MemberState::Failed,
            took: Some(took),
            problem: Some(problem.to_owned()),
            ..Self::not_started(name)
        }
    }
}
