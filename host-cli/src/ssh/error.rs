//! What can go wrong between here and the guest's SSH server.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::login::{Address, OpenSsh};
use super::openssh::OpenSshError;
use crate::error::{Exit, Hint};

/// Why a connection could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// Our private key can't be read.
    #[error("could not read the private key `{path}`")]
    Identity {
        /// Its file.
        path: PathBuf,
        /// What the parser or the system said.
        #[source]
        cause: Box<russh::keys::Error>,
    },
    /// There is no host key to compare with.
    #[error("`{path}` has no host key for `{alias}`")]
    NotPinned {
        /// The file with the pinned keys.
        path: PathBuf,
        /// The name that was looked for.
        alias: String,
    },
    /// Nothing accepts connections there.
    #[error("could not connect to the guest's SSH port {address}")]
    Unreachable {
        /// Where.
        address: Address,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Something accepted, but no SSH server spoke. A port that QEMU forwards accepts before
    /// anything in the guest does.
    #[error("{address} accepted a connection, but no SSH server answered: {problem}")]
    NoBanner {
        /// Where.
        address: Address,
        /// What came instead.
        problem: String,
    },
    /// The server isn't the one whose key is pinned.
    #[error(
        "the SSH server at {address} has host key {shown}, not {pinned} as pinned for `{alias}`"
    )]
    WrongHostKey {
        /// Where.
        address: Address,
        /// The name under which the key is pinned.
        alias: String,
        /// Fingerprint of the pinned key.
        pinned: String,
        /// Fingerprint of the key that was shown.
        shown: String,
    },
    /// The two sides could not agree on a secure connection.
    #[error("the SSH handshake with {address} failed")]
    Handshake {
        /// Where.
        address: Address,
        /// What went wrong.
        #[source]
        cause: Box<russh::Error>,
    },
    /// The server does not accept our key.
    #[error("the SSH server at {address} does not accept the key `{path}` for user `{user}`")]
    Refused {
        /// Where.
        address: Address,
        /// As whom.
        user: String,
        /// The private key's file.
        path: PathBuf,
    },
    /// A phase of connecting took too long.
    #[error("{phase} with {address} did not end within {} s", limit.as_secs())]
    TooSlow {
        /// Which, such as `the SSH handshake`.
        phase: &'static str,
        /// Where.
        address: Address,
        /// Its deadline.
        limit: Duration,
    },
    /// The connection broke after it was made.
    #[error("the connection to the guest was lost while {doing}: {cause}")]
    Lost {
        /// What it was used for.
        doing: String,
        /// How it broke.
        cause: String,
    },
    /// The server accepted us, but not the request.
    #[error("the guest's SSH server refused {what}")]
    Denied {
        /// The request, such as "to run `true`".
        what: String,
    },
    /// OpenSSH can't tell what is needed to reach a machine of the user's.
    #[error(transparent)]
    OpenSsh(Box<OpenSshError>),
    /// A machine of the user's was not reached.
    #[error("{source}")]
    NotReached {
        /// What the user types to get in with OpenSSH.
        command: String,
        /// What brings it up if it was halted, where netlab knows it.
        revival: Option<String>,
        /// What went wrong.
        source: Box<SshError>,
    },
    /// No namespace can have this name.
    #[error("`{name}` can't be the name of a namespace")]
    BadNamespace {
        /// The name.
        name: String,
    },
    /// The guest has no such namespace.
    #[error("the guest has no namespace `{name}`, {}", existing_in_words(existing))]
    NoSuchNamespace {
        /// The name.
        name: String,
        /// Those that it has.
        existing: Vec<String>,
    },
    /// A word of the command has a zero byte, which no command line can carry.
    #[error("the command has a zero byte in one of its words")]
    ZeroByte,
    /// A command of which all is kept says more than can be.
    #[error("the command says more than {limit} bytes in guest `{name}`")]
    TooMuch {
        /// Name of the instance.
        name: String,
        /// The most that is kept, in bytes.
        limit: usize,
    },
    /// The terminal or a standard stream of this process failed.
    #[error("could not {doing}")]
    Local {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

impl Hint for SshError {
    fn hint(&self) -> String {
        match self {
            Self::OpenSsh(error) => return error.hint(),
            Self::NotReached { command, revival: None, .. } => {
                return format!("see whether OpenSSH gets there: `{command}`");
            }
            Self::NotReached { command, revival: Some(revival), .. } => {
                return format!(
                    "if it was halted, bring it up with {revival}; else see whether OpenSSH gets \
                     there: `{command}`"
                );
            }
            Self::Identity { .. } | Self::NotPinned { .. } => {
                "the instance's folder is damaged; start anew with `netlab down`, then `netlab up`"
            }
            Self::Unreachable { .. } => "see whether the guest runs: `netlab status`",
            Self::NoBanner { .. } | Self::TooSlow { .. } => {
                "see what the guest says: `netlab logs serial`"
            }
            Self::WrongHostKey { .. } => {
                "something else listens on this port; if it is an old guest, `netlab down --all` ends it"
            }
            Self::Handshake { .. } => {
                "see what the guest's SSH server says: `netlab logs serial`"
            }
            Self::Refused { .. } => {
                "the guest was started with other keys; start anew with `netlab down`, then `netlab up`"
            }
            Self::Lost { .. } => {
                "see whether the guest still runs with `netlab status`, and what it said last with `netlab logs`"
            }
            Self::Denied { .. } => {
                "the guest may be out of memory or processes: `netlab logs`"
            }
            Self::BadNamespace { .. } => {
                "a name has letters, digits, `.`, `_` and `-`, and does not start with `-`"
            }
            Self::NoSuchNamespace { existing, .. } if existing.is_empty() => {
                "a lab makes them: `netlab demo 2 --keep`"
            }
            Self::NoSuchNamespace { .. } => "name one of these, or none for the guest itself",
            Self::TooMuch { name, .. } => {
                return format!(
                    "run it in each guest by itself, where its output is passed through: \
                     `netlab --name {name} exec -- …`"
                );
            }
            Self::ZeroByte => "pass such data on standard input",
            Self::Local { .. } => "try it in another terminal, or with its input and output in files",
        }
        .to_owned()
    }

    fn exit(&self) -> Exit {
        match self {
            Self::OpenSsh(error) => error.exit(),
            Self::NotReached { source, .. } => source.exit(),
            Self::Identity { .. } | Self::NotPinned { .. } | Self::Local { .. } => Exit::HostLacks,
            Self::Unreachable { .. }
            | Self::NoBanner { .. }
            | Self::Handshake { .. }
            | Self::Refused { .. }
            | Self::TooSlow { .. } => Exit::GuestDown,
            Self::WrongHostKey { .. } | Self::Lost { .. } | Self::Denied { .. } => {
                Exit::ConnectionLost
            }
            Self::TooMuch { .. } => Exit::CheckFailed,
            Self::BadNamespace { .. } | Self::NoSuchNamespace { .. } | Self::ZeroByte => {
                Exit::Usage
            }
        }
    }
}

impl From<OpenSshError> for SshError {
    fn from(error: OpenSshError) -> Self {
        Self::OpenSsh(Box::new(error))
    }
}

impl SshError {
    /// Says of a failure to reach a machine of the user's how to look into it.
    pub(super) fn at_lent(self, login: &OpenSsh) -> Self {
        match self {
            Self::Unreachable { .. }
            | Self::NoBanner { .. }
            | Self::Handshake { .. }
            | Self::Identity { .. }
            | Self::TooSlow { .. } => Self::NotReached {
                command: login.settings.command(),
                revival: login.revival.clone(),
                source: Box::new(self),
            },
            Self::OpenSsh(_)
            | Self::NotReached { .. }
            | Self::NotPinned { .. }
            | Self::WrongHostKey { .. }
            | Self::Refused { .. }
            | Self::Lost { .. }
            | Self::Denied { .. }
            | Self::BadNamespace { .. }
            | Self::NoSuchNamespace { .. }
            | Self::TooMuch { .. }
            | Self::ZeroByte
            | Self::Local { .. } => self,
        }
    }
}

fn existing_in_words(existing: &[String]) -> String {
    if existing.is_empty() {
        "nor any other".to_owned()
    } else {
        format!("only {}", existing.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_says_what_was_tried_and_where() {
        let address = || Address { host: "127.0.0.1".to_owned(), port: 2222 };
        let path = PathBuf::from("/n/id");
        let io = || io::Error::from(io::ErrorKind::PermissionDenied);
        let (no_key, hup) = (russh::keys::Error::CouldNotReadKey, russh::Error::HUP);
        let existing = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let cases = [
            (
                SshError::Identity { path: path.clone(), cause: Box::new(no_key) },
                "could not read the private key `/n/id`",
                Exit::HostLacks,
            ),
            (
                SshError::Unreachable { address: address(), cause: io() },
                "could not connect to the guest's SSH port 127.0.0.1:2222",
                Exit::GuestDown,
            ),
            (
                SshError::NoBanner { address: address(), problem: "silence for 10 s".to_owned() },
                "127.0.0.1:2222 accepted a connection, but no SSH server answered: silence for 10 s",
                Exit::GuestDown,
            ),
            (
                SshError::Handshake { address: address(), cause: Box::new(hup) },
                "the SSH handshake with 127.0.0.1:2222 failed",
                Exit::GuestDown,
            ),
            (
                SshError::TooSlow {
                    phase: "authentication",
                    address: address(),
                    limit: Duration::from_secs(20),
                },
                "authentication with 127.0.0.1:2222 did not end within 20 s",
                Exit::GuestDown,
            ),
            (
                SshError::Lost {
                    doing: "using a shell".to_owned(),
                    cause: "it is gone".to_owned(),
                },
                "the connection to the guest was lost while using a shell: it is gone",
                Exit::ConnectionLost,
            ),
            (
                SshError::Denied { what: "to start a shell".to_owned() },
                "the guest's SSH server refused to start a shell",
                Exit::ConnectionLost,
            ),
            (
                SshError::NoSuchNamespace { name: "red".to_owned(), existing: existing(&[]) },
                "the guest has no namespace `red`, nor any other",
                Exit::Usage,
            ),
            (
                SshError::NoSuchNamespace {
                    name: "red".to_owned(),
                    existing: existing(&["blue", "dhcp-b"]),
                },
                "the guest has no namespace `red`, only blue, dhcp-b",
                Exit::Usage,
            ),
            (
                SshError::Local { doing: "read the keyboard", cause: io() },
                "could not read the keyboard",
                Exit::HostLacks,
            ),
        ];
        for (error, words, code) in cases {
            assert_eq!(error.to_string(), words);
            assert_eq!(error.exit(), code, "{words}");
            assert!(!error.hint().is_empty());
        }
    }
    #[test]
    fn where_a_machine_may_have_been_halted_the_hint_brings_it_up() {
        let hint = |revival: Option<&str>| {
            let cause = io::Error::from(io::ErrorKind::ConnectionRefused);
            let address = Address { host: "pi".to_owned(), port: 22 };
            SshError::NotReached {
                command: "ssh pi".to_owned(),
                revival: revival.map(str::to_owned),
                source: Box::new(SshError::Unreachable { address, cause }),
            }
            .hint()
        };
        assert_eq!(hint(None), "see whether OpenSSH gets there: `ssh pi`");
        assert_eq!(
            hint(Some("`vagrant up` in `/w`")),
            "if it was halted, bring it up with `vagrant up` in `/w`; else see whether OpenSSH gets \
             there: `ssh pi`"
        );
    }
}
