//! What can go wrong with a group that can't with one guest.

use crate::error::{Exit, Hint};
use crate::instance::Name;

/// Why a group is not as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// A single guest has the group's name.
    #[error("a single guest is called `{0}`, so a group can't be")]
    Taken(Name),
    /// The verb works in one guest only.
    #[error("`{group}` is a group of {}, and this takes one guest", guests(*count))]
    Several {
        /// The group.
        group: Name,
        /// Its first member.
        first: Name,
        /// How many there are.
        count: usize,
    },
    /// One port for several guests.
    #[error("port {port} can't lead to {}", guests(*count))]
    OnePort {
        /// The port of `--port`.
        port: u16,
        /// How many were asked for.
        count: usize,
    },
    /// The host has not the memory for all of them.
    #[error(
        "{} to start at about {each_mib} MiB each, but with {available_mib} MiB of free memory \
         {fit} fit",
        guests(*asked)
    )]
    Memory {
        /// How many were to be started.
        asked: usize,
        /// How many the memory is enough for.
        fit: usize,
        /// What one takes, in MiB.
        each_mib: u64,
        /// What there is, in MiB.
        available_mib: u64,
    },
    /// Some did not come up; the others did.
    #[error("{} of {} did not come up{}", failures.len(), guests(*total), lines(failures))]
    Failed {
        /// Those that did not.
        failures: Vec<Failure>,
        /// How many were asked for.
        total: usize,
    },
}

/// A guest of a group that did not come up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its name.
    pub name: Name,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Hint for GroupError {
    fn hint(&self) -> String {
        match self {
            Self::Taken(name) => {
                format!(
                    "give the group another name: `--name seat`\nend the guest: `netlab down --name {name}`"
                )
            }
            Self::Several { first, .. } => format!("name one of them: `--name {first}`"),
            Self::OnePort { .. } => "leave `--port` out: each guest gets a free port".to_owned(),
            Self::Memory { fit: 0, .. } => {
                "close some programs, or end other guests with `netlab down --all`\n\
                 start them all the same: `--force`"
                    .to_owned()
            }
            Self::Memory { fit, .. } => format!(
                "start fewer: `--count` with {fit} more than are up\n\
                 start them all the same: `--force`"
            ),
            Self::Failed { failures, .. } => {
                let mut hints: Vec<&str> = Vec::new();
                for hint in failures.iter().flat_map(|failure| failure.hint.lines()) {
                    if !hints.contains(&hint) {
                        hints.push(hint);
                    }
                }
                hints.join("\n")
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Taken(_) | Self::Several { .. } | Self::OnePort { .. } => Exit::Usage,
            Self::Memory { .. } => Exit::HostLacks,
            Self::Failed { .. } => Exit::GuestDown,
        }
    }
}

fn guests(count: usize) -> String {
    if count == 1 { "1 guest".to_owned() } else { format!("{count} guests") }
}

/// A line for each, so that forty can be read.
fn lines(failures: &[Failure]) -> String {
    let line = |failure: &Failure| format!("\n  {}: {}", failure.name, failure.message);
    failures.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn each_error_says_what_to_do() {
        let failure = |text: &str| Failure {
            name: name(text),
            message: "stuck in phase `kernel`".to_owned(),
            hint: "look at its console\ntry again".to_owned(),
        };
        let rows = [
            (
                GroupError::Taken(name("default")),
                Exit::Usage,
                "a single guest is called `default`, so a group can't be",
                "give the group another name: `--name seat`\nend the guest: `netlab down --name default`",
            ),
            (
                GroupError::Several { group: name("seat"), first: name("seat-01"), count: 3 },
                Exit::Usage,
                "`seat` is a group of 3 guests, and this takes one guest",
                "name one of them: `--name seat-01`",
            ),
            (
                GroupError::OnePort { port: 2222, count: 2 },
                Exit::Usage,
                "port 2222 can't lead to 2 guests",
                "leave `--port` out: each guest gets a free port",
            ),
            (
                GroupError::Memory { asked: 40, fit: 9, each_mib: 180, available_mib: 2260 },
                Exit::HostLacks,
                "40 guests to start at about 180 MiB each, but with 2260 MiB of free memory 9 fit",
                "start fewer: `--count` with 9 more than are up\nstart them all the same: `--force`",
            ),
            (
                GroupError::Memory { asked: 1, fit: 0, each_mib: 180, available_mib: 500 },
                Exit::HostLacks,
                "1 guest to start at about 180 MiB each, but with 500 MiB of free memory 0 fit",
                "close some programs, or end other guests with `netlab down --all`\n\
                 start them all the same: `--force`",
            ),
            (
                GroupError::Failed {
                    failures: vec![failure("seat-02"), failure("seat-03")],
                    total: 40,
                },
                Exit::GuestDown,
                "2 of 40 guests did not come up\n  seat-02: stuck in phase `kernel`\n  \
                 seat-03: stuck in phase `kernel`",
                "look at its console\ntry again",
            ),
        ];
        for (error, exit, message, hint) in rows {
            assert_eq!(error.to_string(), message);
            assert_eq!((error.hint().as_str(), error.exit()), (hint, exit));
        }
    }
}
