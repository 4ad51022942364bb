//! What the agent tells the host while it works: facts, never colour or layout.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::Place;
use crate::topology::Topology;

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The plan is accepted and what it needs is there.
    Opened,
    /// The guest's services answer.
    Served,
    /// The open lab outlives the connection until the next request.
    Held,
    /// The held lab is open in this session.
    Attached,
    /// A step begins.
    StepStarted {
        /// Index into the plan's steps, from 0.
        step: u32,
    },
    /// A command begins.
    CommandStarted {
        /// Line of the lab file, from 1.
        line: u32,
        /// Where it runs.
        place: Place,
        /// The command, as typed in the lab file.
        text: String,
        /// Its name, if it goes on in the background.
        background: Option<String>,
    },
    /// A piece of a command's output, as it comes.
    Output {
        /// Where the command runs.
        place: Place,
        /// Name of the background command that printed it; `None` for the one in the foreground.
        background: Option<String>,
        /// Which stream.
        stream: Stream,
        /// The bytes, not necessarily whole lines or valid UTF-8.
        #[serde(with = "crate::bytes")]
        bytes: Vec<u8>,
    },
    /// Output over the limit of one command was counted and thrown away.
    OutputDropped {
        /// How many bytes.
        bytes: u64,
    },
    /// A command has ended as its step demands.
    CommandEnded {
        /// How.
        exit: Exit,
        /// How long it ran, in milliseconds.
        millis: u64,
    },
    /// A background command is ready.
    BackgroundReady {
        /// Its name.
        name: String,
        /// Its process id in the guest.
        pid: u32,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// A value is known from now on.
    Kept {
        /// Name, without the `$`.
        name: String,
        /// Value.
        value: String,
    },
    /// A claim was tried.
    Checked(Verdict),
    /// A mechanism is about to be taken away.
    CounterfactualStarted {
        /// Its heading.
        title: String,
    },
    /// A mechanism is about to be put back.
    CounterfactualUndone {
        /// Its heading.
        title: String,
    },
    /// What in the guest may be why the step failed: it comes after the failure.
    LikelyCauses {
        /// Each in words, such as "no space is left on `/`".
        causes: Vec<String>,
    },
    /// A step is over.
    StepEnded {
        /// Index into the plan's steps, from 0.
        step: u32,
        /// Whether every command ended as it should and every claim held.
        passed: bool,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// How things are wired now.
    Topology(Topology),
    /// The lab is over.
    Closed {
        /// What was removed, in order, in words.
        removed: Vec<String>,
        /// What could not be removed, in words.
        errors: Vec<String>,
    },
    /// Something went wrong: a command, or the request itself.
    Failed(Failure),
}

/// Which stream a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Killed at its time limit.
    TimedOut,
}

impl Exit {
    /// Says what the command did: `ended with exit status 2`.
    pub fn deed(self) -> String {
        match self {
            Self::Code(_) => format!("ended with {self}"),
            Self::Signal(_) => format!("was {self}"),
            Self::TimedOut => "did not end within its time limit".to_owned(),
        }
    }
}

/// As a noun: `exit status 2`.
impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit status {code}"),
            Self::Signal(signal) => write!(formatter, "killed by signal {signal}"),
            Self::TimedOut => formatter.write_str("killed at its time limit"),
        }
    }
}

/// What came of one claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Id of the check.
    pub check: String,
    /// The sentence.
    pub claim: String,
    /// Where the probe ran.
    pub place: Place,
    /// Whether it came out as it should in this situation.
    pub passed: bool,
    /// The situation in which it was tried.
    pub witness: Witness,
    /// What was expected, in words.
    pub expected: String,
    /// What came, in words.
    pub actual: String,
    /// A command that shows more, typeable in `netlab shell`.
    pub look: String,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// The situation in which a claim is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// As the lab built it: the claim must hold.
    Claim,
    /// As the positive control of a negative claim: it must hold too.
    Control,
    /// With the mechanism taken away: it must not hold.
    Without,
    /// With the mechanism put back: it must hold again.
    Restored,
}

/// What went wrong in the guest, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "failure", rename_all = "snake_case")]
pub enum Failure {
    /// A command of a step ended otherwise than its step demands.
    #[error("`{text}` in {place} {}, expected {expected}", .exit.deed())]
    Command {
        /// Line of the lab file, from 1.
        line: u32,
        /// Where it ran.
        place: Place,
        /// The command, as typed.
        text: String,
        /// How it ended.
        exit: Exit,
        /// What was expected, in words, such as `exit status 0`.
        expected: String,
    },
    /// A background command was not ready in time, or ended before it was.
    #[error("`{text}` in {place} (background `{name}`) {problem}")]
    Background {
        /// Line of the lab file, from 1.
        line: u32,
        /// Where it ran.
        place: Place,
        /// Its name.
        name: String,
        /// The command, as typed.
        text: String,
        /// What happened, in words.
        problem: String,
    },
    /// The guest lacks something that the lab needs.
    #[error("the guest has no {what}")]
    Missing {
        /// What, such as "command `ovs-vsctl`".
        what: String,
    },
    /// Something that the lab would make is there already, and not ours to touch.
    #[error("{what} exists already and was not made by netlab")]
    Exists {
        /// What, such as "namespace `red`".
        what: String,
    },
    /// Another session is running a lab in this guest.
    #[error("another netlab is running a lab in this guest")]
    Busy,
    /// The request makes no sense now.
    #[error("the agent was asked to {asked} {problem}")]
    Protocol {
        /// What was asked.
        asked: String,
        /// Why it can't be done.
        problem: String,
    },
    /// The guest's own system refused something.
    #[error("could not {doing}: {cause}")]
    System {
        /// What was being done, in words.
        doing: String,
        /// What the system said.
        cause: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_is_told_as_a_noun_and_as_a_deed() {
        for (exit, noun, deed) in [
            (Exit::Code(2), "exit status 2", "ended with exit status 2"),
            (Exit::Signal(9), "killed by signal 9", "was killed by signal 9"),
            (Exit::TimedOut, "killed at its time limit", "did not end within its time limit"),
        ] {
            assert_eq!((exit.to_string().as_str(), exit.deed().as_str()), (noun, deed));
        }
    }
}
