//! Why the user's own way to a machine does not lead there.

use std::io;
use std::path::PathBuf;

use crate::error::{Exit, Hint};
use crate::ssh::Address;

/// Why a machine can't be reached as OpenSSH would.
#[derive(Debug, thiserror::Error)]
pub enum OpenSshError {
    /// A program of OpenSSH's can't be run.
    #[error("can't run `{program}`, OpenSSH's own program")]
    Missing {
        /// Its name.
        program: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// OpenSSH does not understand the host or its own configuration.
    #[error("OpenSSH can't tell how to reach `{host}`: {words}")]
    Refused {
        /// The host as the user names it.
        host: String,
        /// What it said.
        words: String,
    },
    /// What it said lacks something.
    #[error("OpenSSH said nothing about `{key}` for `{host}`")]
    Unreadable {
        /// The host as the user names it.
        host: String,
        /// What was looked for.
        key: &'static str,
    },
    /// The configuration has something that netlab can't do.
    #[error("your SSH configuration has `{setting}` for `{host}`, which netlab can't keep to")]
    Unsuited {
        /// The host as the user names it.
        host: String,
        /// The setting, with its value.
        setting: String,
        /// What the user does instead.
        instead: &'static str,
    },
    /// The user has no home folder, which OpenSSH's paths begin with.
    #[error("the system names no home folder for you")]
    NoHome,
    /// Nobody has said which host key the machine has.
    #[error("nothing is known of the SSH server at {address}, which has host key {shown}")]
    UnknownHost {
        /// Where.
        address: Address,
        /// What the user types to get in with OpenSSH.
        command: String,
        /// Fingerprint of the key that was shown.
        shown: String,
    },
    /// The machine shows a key that the user's files have revoked.
    #[error(
        "the SSH server of `{name}` has host key {shown}, which is revoked in `{}`",
        file.display()
    )]
    RevokedHostKey {
        /// The name under which the key is known.
        name: String,
        /// The first file with a revoked key for it.
        file: PathBuf,
        /// Fingerprint of the key that was shown.
        shown: String,
    },
    /// The machine has another host key than the user's files say.
    #[error(
        "the SSH server of `{name}` has host key {shown}, not {known} as `{}` has it",
        file.display()
    )]
    ChangedHostKey {
        /// The name under which the key is known.
        name: String,
        /// Fingerprints of the known keys.
        known: String,
        /// The file that has them.
        file: PathBuf,
        /// Fingerprint of the key that was shown.
        shown: String,
    },
    /// The connection ended before there was a key that fits.
    #[error("the SSH server at {address} broke off while `{user}` was logging in: {tried}")]
    BrokenOff {
        /// Where.
        address: String,
        /// Who.
        user: String,
        /// What the user types to get in with OpenSSH.
        command: String,
        /// As below.
        tried: String,
    },
    /// The machine takes none of the user's keys.
    #[error("the SSH server at {address} lets `{user}` in with none of your keys: {tried}")]
    NoKeyFits {
        /// Where.
        address: String,
        /// Who.
        user: String,
        /// What the user types to get in with OpenSSH.
        command: String,
        /// The keys that were offered and those that could not be, in words.
        tried: String,
        /// The file of a key that wants a passphrase, and so was not offered.
        locked: Option<PathBuf>,
    },
}

impl Hint for OpenSshError {
    fn hint(&self) -> String {
        match self {
            Self::Missing { .. } => "install OpenSSH's client: the package `openssh-client` or \
                                     `openssh-clients`, on Windows the optional feature OpenSSH \
                                     Client; macOS has it"
                .to_owned(),
            Self::Refused { host, .. } | Self::Unreadable { host, .. } => {
                format!("see what OpenSSH itself does: `ssh -G {host}`")
            }
            Self::Unsuited { instead, .. } => (*instead).to_owned(),
            Self::NoHome => "set `HOME`".to_owned(),
            Self::UnknownHost { command, .. } => format!(
                "log in once with `{command}`, and compare what it shows with the machine's own key \
                 before you say yes"
            ),
            Self::RevokedHostKey { name, file, .. } => format!(
                "whoever shows this key may not be the machine: give it a new host key, or ask who \
                 revoked this one; `ssh-keygen -F '{name}' -f '{}'` shows where",
                file.display()
            ),
            // In quotes: with a port it has brackets, which a shell reads otherwise.
            Self::ChangedHostKey { name, file, .. } => format!(
                "if the machine was set up anew, forget its old key with `ssh-keygen -R '{name}' -f \
                 '{}'`; if not, somebody may have put another in its place",
                file.display()
            ),
            Self::BrokenOff { command, .. } => format!(
                "servers take only a few keys: name the right one with `IdentityFile` and \
                 `IdentitiesOnly yes`; else see what `{command}` does"
            ),
            Self::NoKeyFits { locked, command, .. } => match locked {
                Some(locked) => {
                    format!("unlock the key for the agent: `ssh-add {}`", locked.display())
                }
                None => format!(
                    "netlab types no password: see that `{command}` gets in without one; \
                     `ssh-copy-id` puts a key there"
                ),
            },
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Missing { .. } | Self::NoHome | Self::UnknownHost { .. } => Exit::HostLacks,
            Self::ChangedHostKey { .. } | Self::RevokedHostKey { .. } => Exit::ConnectionLost,
            Self::BrokenOff { .. } | Self::NoKeyFits { .. } => Exit::GuestDown,
            Self::Refused { .. } | Self::Unreadable { .. } | Self::Unsuited { .. } => Exit::Usage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_what_to_type() {
        let address = || Address { host: "pi.lan".to_owned(), port: 2222 };
        let (command, shown) = (|| "ssh pi".to_owned(), || "SHA256:new".to_owned());
        let no_key = |locked: Option<&str>| OpenSshError::NoKeyFits {
            address: address().to_string(),
            user: "ann".to_owned(),
            command: command(),
            tried: "there was none to offer".to_owned(),
            locked: locked.map(PathBuf::from),
        };
        let nobody = "the SSH server at pi.lan:2222 lets `ann` in with none of your keys: there was \
                      none to offer";
        let rows = [
            (
                OpenSshError::UnknownHost {
                    address: address(),
                    command: command(),
                    shown: shown(),
                },
                "nothing is known of the SSH server at pi.lan:2222, which has host key SHA256:new"
                    .to_owned(),
                "`ssh pi`",
            ),
            (
                OpenSshError::ChangedHostKey {
                    name: "[pi.lan]:2222".to_owned(),
                    known: "SHA256:old".to_owned(),
                    file: "/h/known_hosts".into(),
                    shown: shown(),
                },
                "the SSH server of `[pi.lan]:2222` has host key SHA256:new, not SHA256:old as \
                 `/h/known_hosts` has it"
                    .to_owned(),
                "`ssh-keygen -R '[pi.lan]:2222' -f '/h/known_hosts'`",
            ),
            (
                OpenSshError::RevokedHostKey {
                    name: "pi.lan".to_owned(),
                    file: "/h/known_hosts".into(),
                    shown: shown(),
                },
                "the SSH server of `pi.lan` has host key SHA256:new, which is revoked in \
                 `/h/known_hosts`"
                    .to_owned(),
                "`ssh-keygen -F 'pi.lan' -f '/h/known_hosts'`",
            ),
            (no_key(None), nobody.to_owned(), "`ssh pi`"),
            (no_key(Some("/h/id")), nobody.to_owned(), "`ssh-add /h/id`"),
        ];
        for (error, message, typed) in rows {
            assert_eq!(error.to_string(), message);
            assert!(error.hint().contains(typed), "{}", error.hint());
        }
    }
}
