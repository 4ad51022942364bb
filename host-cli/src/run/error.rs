//! Why a lab could not be run, apart from what its own checks found.

use std::time::Duration;

use netlab_protocol::{Failure, Place};

use crate::agent::SessionError;
use crate::error::{Exit, Hint};

/// Why a lab could not be run to a verdict. A failed check is a verdict, not an error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The guest refused the lab as a whole.
    #[error("the guest can't run lab `{lab}`: {failure}")]
    Refused {
        /// Id of the lab.
        lab: String,
        /// What it said.
        failure: Box<Failure>,
    },
    /// The guest could not do what a lab's end or start needs.
    #[error("the guest could not {doing}: {failure}")]
    Failed {
        /// What it was to do.
        doing: &'static str,
        /// What it said.
        failure: Box<Failure>,
    },
    /// A lab stands on a machine that is not netlab's own, and somebody may want it.
    #[error("lab `{lab}` stands on this machine: you or somebody else may have kept it")]
    Stands {
        /// Id of the lab.
        lab: String,
    },
    /// The guest or its agent was lost in the middle of a step.
    #[error("{} broke off{}", step_in_words(*number, title), command_in_words(command.as_ref()))]
    CutShort {
        /// The step's number, if it has one.
        number: Option<u32>,
        /// Its heading.
        title: String,
        /// The command that ran, and where.
        command: Option<(Place, String)>,
        /// How they were lost.
        #[source]
        source: Box<SessionError>,
    },
    /// The guest did not answer.
    #[error("the guest did not {doing} within {within:?}")]
    Silent {
        /// What it was to do.
        doing: &'static str,
        /// How long it was waited for.
        within: Duration,
    },
    /// The lab has fewer steps than `--from` says.
    #[error("lab `{lab}` has {steps} steps, so it can't start from step {from}")]
    NoSuchStep {
        /// Id of the lab.
        lab: String,
        /// How many steps it shows.
        steps: u32,
        /// What was asked for.
        from: u32,
    },
    /// The guest can't be saved, so there is no way back to an earlier state.
    #[error("the guest can't be saved: {why}")]
    Unsaved {
        /// Why.
        why: String,
    },
}

fn step_in_words(number: Option<u32>, title: &str) -> String {
    match number {
        Some(number) => format!("step {number} (`{title}`)"),
        None => format!("the step `{title}`"),
    }
}

fn command_in_words(command: Option<&(Place, String)>) -> String {
    command.map(|(place, text)| format!(" at `{text}` in {place}")).unwrap_or_default()
}

impl Hint for RunError {
    fn hint(&self) -> String {
        let start_anew =
            "look into the guest with `netlab shell`, or start from a new one: `netlab down`";
        match self {
            Self::Refused { failure, .. } | Self::Failed { failure, .. } => match **failure {
                Failure::Busy => {
                    "wait for the other one to end, or use another guest: `--name other`"
                }
                // Open vSwitch keeps its bridges over a reboot; the list of what a lab made does not.
                Failure::Exists { ref what } if what.starts_with("bridge ") => {
                    "Open vSwitch makes its bridges again after a reboot, also those of a lab that \
                     the reboot cut short: if it is such a one, remove it in `netlab shell` with \
                     `ovs-vsctl del-br`; else run the lab in another guest"
                }
                Failure::Exists { .. } => {
                    "it is not netlab's to touch: remove it yourself in `netlab shell`, or run the lab \
                     in another guest"
                }
                Failure::Missing { .. } => {
                    "see what the lab's `needs` ask for; `netlab doctor --fix` installs what a \
                     machine of yours lacks for netlab's own labs"
                }
                Failure::Command { .. }
                | Failure::Background { .. }
                | Failure::Protocol { .. }
                | Failure::System { .. } => start_anew,
            }
            .to_owned(),
            Self::CutShort { source, .. } => source.hint(),
            Self::Stands { .. } => {
                "look at it with `netlab shell`; `--reset` clears it away".to_owned()
            }
            Self::Silent { .. } => start_anew.to_owned(),
            Self::NoSuchStep { steps, .. } => {
                format!("give `--from` a number from 1 to {steps}, or leave it out")
            }
            Self::Unsaved { .. } => {
                "run the lab again up to the step: `netlab demo LAB --from N`".to_owned()
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Refused { failure, .. } if matches!(**failure, Failure::Missing { .. }) => {
                Exit::Usage
            }
            Self::Refused { .. }
            | Self::Failed { .. }
            | Self::Stands { .. }
            | Self::Silent { .. } => Exit::GuestDown,
            Self::CutShort { source, .. } => source.exit(),
            Self::Unsaved { .. } => Exit::HostLacks,
            Self::NoSuchStep { .. } => Exit::Usage,
        }
    }
}
