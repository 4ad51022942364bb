//! What the guest's own system can refuse, and the way from there to a [`Failure`] for the host.
//!
//! Mistakes of a lab are no errors of the agent: they are made as [`Failure`]s where they are seen.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use netlab_protocol::{Failure, FrameError, Place};

/// Why the agent could not do its own work.
#[derive(Debug, thiserror::Error)]
#[error("could not {}: {}", self.doing(), self.cause())]
pub enum Error {
    /// The agent was started otherwise than the host starts it.
    Usage {
        /// What was given.
        arguments: Vec<String>,
    },
    /// A file or folder could not be read, written, made or removed.
    File {
        /// Verb, such as `read`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file of ours holds something else than it should.
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        problem: String,
    },
    /// A network namespace could not be entered.
    Namespace {
        /// Which.
        place: Place,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refused a question or a change over netlink.
    Netlink {
        /// What was asked, such as `list the interfaces`.
        doing: &'static str,
        /// Where.
        place: Place,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
    /// A program could not be started.
    Spawn {
        /// The command line.
        command: String,
        /// Where.
        place: Place,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program that the agent itself needs did not do its work.
    Helper {
        /// The command line.
        command: String,
        /// How it ended and what it printed.
        problem: String,
    },
    /// Open vSwitch's database gave no usable answer.
    Database {
        /// Its socket.
        path: PathBuf,
        /// What was wrong.
        problem: String,
    },
    /// Processes of the lab did not die.
    Alive {
        /// The cgroup.
        path: PathBuf,
        /// Their process ids.
        pids: Vec<u32>,
    },
    /// Something of a lab is still there after its end.
    Teardown {
        /// What is left, and why.
        problem: String,
    },
    /// The host sent something that is no request.
    Frame(#[from] FrameError),
    /// An event is no frame, being too large.
    Unsent(#[source] FrameError),
    /// The host sends requests faster than they are answered.
    Crowded {
        /// How many may wait.
        limit: usize,
    },
    /// The system refused something that has no place or path.
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
    pub fn log(&self) {
        crate::journal::note(&self.to_string());
        // In a held lab there may be nobody who reads it.
        let _gone = writeln!(io::stderr(), "netlab-agent: {self}\n{}", self.hint());
    }

    /// Returns what was being done, as it stands after "could not".
    fn doing(&self) -> String {
        match self {
            Self::Usage { .. } => "understand the arguments".to_owned(),
            Self::File { doing, path, .. } => format!("{doing} `{}`", path.display()),
            Self::Content { path, .. } => format!("read `{}`", path.display()),
            Self::Namespace { place, .. } => format!("enter namespace `{place}`"),
            Self::Netlink { doing, place, .. } => format!("{doing} in `{place}`"),
            Self::Spawn { command, place, .. } => format!("start `{command}` in `{place}`"),
            Self::Helper { command, .. } => format!("run `{command}`"),
            Self::Database { path, .. } => {
                format!("ask Open vSwitch's database at `{}`", path.display())
            }
            Self::Alive { path, .. } => format!("end the lab's processes in `{}`", path.display()),
            Self::Teardown { .. } => "remove everything of the lab".to_owned(),
            Self::Frame(_) => "read a request".to_owned(),
            Self::Unsent(_) => "tell the host what happened".to_owned(),
            Self::Crowded { .. } => "queue a request".to_owned(),
            Self::System { doing, .. } => (*doing).to_owned(),
        }
    }

    /// Returns what stood in the way.
    fn cause(&self) -> String {
        match self {
            Self::Usage { arguments } => format!("{arguments:?}"),
            Self::File { source, .. }
            | Self::Namespace { source, .. }
            | Self::Spawn { source, .. }
            | Self::System { source, .. } => source.to_string(),
            Self::Netlink { source, .. } => source.to_string(),
            Self::Content { problem, .. }
            | Self::Helper { problem, .. }
            | Self::Database { problem, .. }
            | Self::Teardown { problem } => problem.clone(),
            Self::Alive { pids, .. } => still_there(pids),
            Self::Frame(source) | Self::Unsent(source) => source.to_string(),
            Self::Crowded { limit } => format!("{limit} are waiting already"),
        }
    }

    /// Returns what the user should do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Usage { .. } => {
                "start it as `netlab-agent serve`, with `--lent` on a machine that is somebody's own"
                    .to_owned()
            }
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
            Self::Unsent(_) => "`netlab shell` shows what is there".to_owned(),
            Self::Frame(_) | Self::Crowded { .. } => {
                "the agent is started by `netlab`, not by hand".to_owned()
            }
            Self::System { .. } => "`dmesg | tail` may say more".to_owned(),
        }
    }
}

/// Names the first of the processes: a fork bomb's are hundreds.
fn still_there(pids: &[u32]) -> String {
    const TOLD: usize = 8;
    let told = &pids[..pids.len().min(TOLD)];
    match pids.len() - told.len() {
        0 => format!("{told:?} are still there"),
        more => format!("{told:?} and {more} more are still there"),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let cause = format!("{} ({})", error.cause(), error.hint());
        Self::System { doing: error.doing(), cause }
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
                Error::Alive { path: "/c".into(), pids: (1..=512).collect() },
                "could not end the lab's processes in `/c`: [1, 2, 3, 4, 5, 6, 7, 8] and 504 more are \
                 still there (`cat /c/cgroup.procs` names them)",
            ),
            (
                Error::Helper { command: "sh -c 'a: b'".to_owned(), problem: "no".to_owned() },
                "could not run `sh -c 'a: b'`: no (run `sh -c 'a: b'` in the guest to see more)",
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
