//! What the guest's own system can refuse, and the way from there to a [`Failure`] for the host.
//!
//! Mistakes of a lab are no errors of the agent: they are made as [`Failure`]s where they are seen.

use std::io;
use std::path::{Path, PathBuf};

use netlab_protocol::{Failure, FrameError, Place};

/// Why the agent could not do its own work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The agent was started otherwise than the host starts it.
    #[error("could not understand the arguments: {arguments:?}")]
    Usage {
        /// What was given.
        arguments: Vec<String>,
    },
    /// A file or folder could not be read, written, made or removed.
    #[error("could not {doing} `{path}`: {source}")]
    File {
        /// Verb, such as `read`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file of ours holds something else than it should.
    #[error("could not read `{path}`: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        problem: String,
    },
    /// A network namespace could not be entered.
    #[error("could not enter namespace `{place}`: {source}")]
    Namespace {
        /// Which.
        place: Place,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refused a question or a change over netlink.
    #[error("could not {doing} in `{place}`: {source}")]
    Netlink {
        /// What was asked, such as `list the interfaces`.
        doing: &'static str,
        /// Where.
        place: Place,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
    /// A program could not be started.
    #[error("could not start `{command}` in `{place}`: {source}")]
    Spawn {
        /// The command line.
        command: String,
        /// Where.
        place: Place,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program that the agent itself needs did not do its work.
    #[error("could not run `{command}`: {problem}")]
    Helper {
        /// The command line.
        command: String,
        /// How it ended and what it printed.
        problem: String,
    },
    /// Open vSwitch's database gave no usable answer.
    #[error("could not ask Open vSwitch's database at `{path}`: {problem}")]
    Database {
        /// Its socket.
        path: PathBuf,
        /// What was wrong.
        problem: String,
    },
    /// Processes of the lab did not die.
    #[error("could not end the lab's processes in `{path}`: {pids:?} are still there")]
    Alive {
        /// The cgroup.
        path: PathBuf,
        /// Their process ids.
        pids: Vec<u32>,
    },
    /// Something of a lab is still there after its end.
    #[error("could not remove everything of the lab: {problem}")]
    Teardown {
        /// What is left, and why.
        problem: String,
    },
    /// The host sent something that is no request.
    #[error("could not read a request: {0}")]
    Frame(#[from] FrameError),
    /// The host sends requests faster than they are answered.
    #[error("could not queue a request: {limit} are waiting already")]
    Crowded {
        /// How many may wait.
        limit: usize,
    },
    /// The system refused something that has no place or path.
    #[error("could not {doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Error {
    /// Returns a closure for `map_err` that adds the file and what was done with it.
    pub fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }

    /// Writes it to standard error, which the host shows if the session breaks off, and into the
    /// journal.
    #[expect(clippy::disallowed_macros, reason = "the agent's only voice beside its frames")]
    pub fn log(&self) {
        crate::journal::note(&self.to_string());
        eprintln!("netlab-agent: {self}\n{}", self.hint());
    }

    /// Returns what the user should do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Usage { .. } => "start it as `netlab-agent serve`".to_owned(),
            Self::File { path, .. } => {
                format!("look at it with `ls -ld {}`; the agent must run as root", path.display())
            }
            Self::Content { path, .. } => {
                format!("remove it with `rm {}` if no lab is running", path.display())
            }
            Self::Namespace { .. } => "`ip netns` lists the namespaces that exist".to_owned(),
            Self::Netlink { place, .. } => match place {
                Place::Root => "`ip -br link` shows what is there".to_owned(),
                Place::Namespace(name) => {
                    format!("`ip netns exec {name} ip -br link` shows what is there")
                }
            },
            Self::Spawn { .. } => "`command -v sh ip` must find both in the guest".to_owned(),
            Self::Helper { command, .. } => format!("run `{command}` in the guest to see more"),
            Self::Database { .. } => "`ovs-vsctl show` tells whether the switch runs".to_owned(),
            Self::Alive { path, .. } => {
                format!("`cat {}/cgroup.procs` names them", path.display())
            }
            Self::Teardown { .. } => "`netlab reset` tries again".to_owned(),
            Self::Frame(_) | Self::Crowded { .. } => {
                "the agent is started by `netlab`, not by hand".to_owned()
            }
            Self::System { .. } => "`dmesg | tail` may say more".to_owned(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let hint = error.hint();
        let words = error.to_string();
        // Every message is "could not DOING: CAUSE", so the two parts can be told apart.
        let (doing, cause) =
            match words.strip_prefix("could not ").map(|rest| rest.split_once(": ")) {
                Some(Some((doing, cause))) => (doing.to_owned(), cause.to_owned()),
                Some(None) | None => ("go on".to_owned(), words),
            };
        Self::System { doing, cause: format!("{cause} ({hint})") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_told_what_was_done_why_it_failed_and_what_to_look_at() {
        let gone = || io::Error::from_raw_os_error(2);
        let cases: Vec<(Error, &str)> = vec![
            (
                Error::File { doing: "read", path: "/run/x".into(), source: gone() },
                "could not read `/run/x`: No such file or directory (os error 2) (look at it with \
                 `ls -ld /run/x`; the agent must run as root)",
            ),
            (
                Error::Namespace { place: Place::Namespace("red".into()), source: gone() },
                "could not enter namespace `red`: No such file or directory (os error 2) \
                 (`ip netns` lists the namespaces that exist)",
            ),
            (
                Error::Alive { path: "/c".into(), pids: vec![7] },
                "could not end the lab's processes in `/c`: [7] are still there \
                 (`cat /c/cgroup.procs` names them)",
            ),
            (
                Error::Crowded { limit: 64 },
                "could not queue a request: 64 are waiting already (the agent is started by \
                 `netlab`, not by hand)",
            ),
        ];
        for (error, words) in cases {
            assert_eq!(Failure::from(error).to_string(), words);
        }
    }
}
