//! Probes: one question each to the kernel, the switch or a file, and what came of it.
//!
//! A kind is one file with two functions: `words`, which says what is expected, and `attempt`,
//! which asks once. A probe that could not be asked ([`Outcome::Unknown`]) proves nothing: it
//! counts neither for a claim nor for its opposite.

mod address;
mod arp;
mod capture;
mod command;
mod expand;
mod file;
mod frames;
#[cfg(test)]
mod hostile;
mod icmp;
mod lease;
mod link;
pub mod listens;
mod namespace_link;
mod neighbour;
mod owner;
mod reach;
mod rises;
mod route;

use std::time::Duration;

use netlab_protocol::{Place, Probe};

use crate::error::Error;
use crate::lab::Lab;

pub use expand::expand;

/// Least time that a command of a probe gets: one that takes 0.1 s took more than 5 s in one of ten guests
/// that two busy processors emulated.
const COMMAND_LIMIT: Duration = Duration::from_secs(20);

/// What came of one attempt, each with its reason in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The probe succeeded.
    Yes(String),
    /// The probe was carried out and did not succeed.
    No(String),
    /// The probe could not be carried out.
    Unknown(String),
}

impl Outcome {
    /// Returns [`Outcome::Yes`] or [`Outcome::No`].
    pub fn of(succeeded: bool, reason: impl Into<String>) -> Self {
        if succeeded { Self::Yes(reason.into()) } else { Self::No(reason.into()) }
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::Unknown(error.to_string())
    }
}

/// What a probe is about, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// What is expected if the probe is to succeed.
    pub success: String,
    /// What is expected if it is not.
    pub failure: String,
    /// A command that shows more, as typed inside the place.
    pub look: String,
}

impl Words {
    /// Puts the three together.
    pub fn new(
        success: impl Into<String>,
        failure: impl Into<String>,
        look: impl Into<String>,
    ) -> Self {
        Self { success: success.into(), failure: failure.into(), look: look.into() }
    }
}

/// Says in words what an expanded probe is about.
pub fn words(place: &Place, probe: &Probe) -> Words {
    let words = match probe {
        Probe::Reach(target) => reach::words(target),
        Probe::Address(probe) => address::words(probe),
        Probe::Route(probe) => route::words(probe),
        Probe::Neighbour(probe) => neighbour::words(probe),
        Probe::Link(probe) => link::words_of_one(probe),
        Probe::Links(names) => link::words_of_all(names),
        Probe::Listens(socket) => listens::words(socket),
        Probe::Process(name) => owner::words(name, place),
        Probe::Same(probe) => namespace_link::words(probe, true),
        Probe::Differs(probe) => namespace_link::words(probe, false),
        Probe::Lease(probe) => lease::words(probe),
        Probe::Frames(probe) => frames::words(probe),
        Probe::Rises(probe) => rises::words(probe),
        Probe::Command(probe) => command::words(probe),
    };
    let look = match place {
        Place::Root => words.look,
        Place::Namespace(name) => inside(name, &words.look),
    };
    Words { look, ..words }
}

/// Returns the command that runs another inside a namespace, as typed.
fn inside(namespace: &str, command: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || " -_./:=@,%+".contains(letter);
    if command.chars().all(is_plain) {
        return format!("ip netns exec {namespace} {command}");
    }
    // The outer shell would take pipes and quotes for itself.
    let quoted = command.replace('\'', r"'\''");
    format!("ip netns exec {namespace} sh -c '{quoted}'")
}

/// Tries an expanded probe once, for at most about `limit`.
pub async fn attempt(lab: &Lab, place: &Place, probe: &Probe, limit: Duration) -> Outcome {
    let tried = match probe {
        Probe::Reach(target) => reach::attempt(place, target, limit).await,
        Probe::Address(probe) => address::attempt(place, probe).await,
        Probe::Route(probe) => route::attempt(place, probe).await,
        Probe::Neighbour(probe) => neighbour::attempt(place, probe).await,
        Probe::Link(probe) => link::attempt_one(place, probe).await,
        Probe::Links(names) => link::attempt_all(place, names).await,
        Probe::Listens(socket) => listens::attempt(place, socket).await,
        Probe::Process(name) => owner::attempt(lab, place, name),
        Probe::Same(probe) => namespace_link::attempt(probe, true).await,
        Probe::Differs(probe) => namespace_link::attempt(probe, false).await,
        Probe::Lease(probe) => lease::attempt(probe).await,
        Probe::Frames(probe) => frames::attempt(probe).await,
        Probe::Rises(probe) => rises::attempt(lab, place, probe, limit).await,
        Probe::Command(probe) => command::attempt(lab, place, probe, limit).await,
    };
    tried.unwrap_or_else(Outcome::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_look_with_can_be_typed_as_it_stands() {
        for (command, typed) in [
            ("ping -c 1 10.0.0.2", "ip netns exec red ping -c 1 10.0.0.2"),
            ("ip link | wc -l", "ip netns exec red sh -c 'ip link | wc -l'"),
            ("echo 'a b'", r"ip netns exec red sh -c 'echo '\''a b'\'''"),
        ] {
            assert_eq!(inside("red", command), typed);
        }
    }
}
