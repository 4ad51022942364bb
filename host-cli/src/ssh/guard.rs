//! What stands between us and a server during a connection: it judges the host key, and remembers how
//! the connection ended.

use std::io;
use std::sync::{Arc, OnceLock};

use russh::client::{self, DisconnectReason};
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};

use super::openssh::{Judgement, Known};

/// Compares the server's key with those that are known, and remembers how the connection ended.
#[derive(Clone)]
pub struct Guard {
    /// What is known of the server.
    pub known: Known,
    takes_unknown: bool,
    /// The key that it has shown, if it was taken without being known.
    pub first_seen: Arc<OnceLock<PublicKey>>,
    /// How the connection ended, in words.
    pub lost: Arc<OnceLock<String>>,
}

impl Guard {
    /// Takes keys that are known, and with `takes_unknown` any key of a server of which none is.
    pub fn new(known: Known, takes_unknown: bool) -> Self {
        Self { known, takes_unknown, first_seen: Arc::default(), lost: Arc::default() }
    }
}

/// Why a host key was not taken.
#[derive(Debug)]
pub enum Refused {
    /// The server is known by another key.
    Wrong {
        /// Fingerprint of the one that it has shown.
        shown: String,
    },
    /// The key that it has shown is revoked.
    Revoked {
        /// The same.
        shown: String,
    },
    /// Nothing is known of the server.
    Unknown {
        /// The same.
        shown: String,
    },
}

/// What [`Guard`] can end a connection with.
#[derive(Debug)]
pub enum GuardError {
    /// The host key was not taken.
    Key(Refused),
    /// Anything else.
    Ssh(russh::Error),
}

impl From<russh::Error> for GuardError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl client::Handler for Guard {
    type Error = GuardError;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, GuardError> {
        let key = shown.public_key();
        let shown = key.fingerprint(HashAlg::Sha256).to_string();
        match self.known.judge(&key) {
            Judgement::Right => {}
            // It is shown once more when it is time for new session keys, and is the same one then.
            Judgement::Unknown if self.takes_unknown => drop(self.first_seen.set(key)),
            Judgement::Unknown => return Err(GuardError::Key(Refused::Unknown { shown })),
            Judgement::Revoked => return Err(GuardError::Key(Refused::Revoked { shown })),
            Judgement::Wrong => return Err(GuardError::Key(Refused::Wrong { shown })),
        }
        Ok(true)
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<GuardError>,
    ) -> Result<(), GuardError> {
        let (words, outcome) = match reason {
            DisconnectReason::ReceivedDisconnect(_) => ("the guest ended it".to_owned(), Ok(())),
            DisconnectReason::Error(GuardError::Ssh(error)) => {
                (in_words(&error), Err(error.into()))
            }
            DisconnectReason::Error(error) => ("the host key is wrong".to_owned(), Err(error)),
        };
        // Only the first reason counts, and there is only one.
        let _ = self.lost.set(words);
        outcome
    }
}

/// Says how a connection ended; most ends look like mishaps of reading to russh.
fn in_words(error: &russh::Error) -> String {
    match error {
        russh::Error::KeepaliveTimeout => "the guest no longer answers".to_owned(),
        russh::Error::HUP | russh::Error::Disconnect => "its server is gone".to_owned(),
        russh::Error::IO(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
            "its server is gone".to_owned()
        }
        other => other.to_string(),
    }
}
