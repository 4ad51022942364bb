//! A connection to the guest's SSH server. The host key is compared with the pinned one on every
//! connection, and each phase has a deadline.

use std::borrow::Cow;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::client::{self, DisconnectReason};
use russh::keys::known_hosts::known_host_keys_path;
use russh::keys::{
    Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate, load_secret_key,
};
use russh::{Preferred, cipher, kex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::channel::{Channel, Piece};
use super::error::SshError;
use crate::provider::Endpoint;

/// Deadline for the TCP connection, which is local.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Deadline for the server's first words. A guest under emulation on a busy laptop takes a second.
const BANNER_LIMIT: Duration = Duration::from_secs(10);

/// Time between two tries to hear them.
const BANNER_RETRY: Duration = Duration::from_millis(50);

/// Deadline for the key exchange: 0.2 s under emulation.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(20);

/// Deadline for the server's verdict on our key: 0.1 s under emulation.
const AUTHENTICATION_LIMIT: Duration = Duration::from_secs(20);

/// Silence after which the server is asked whether it is still there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// Questions without an answer after which the connection is given up: with the interval, a dead
/// guest is noticed within 10 s.
const KEEPALIVE_MOST: usize = 2;

/// Bytes that the guest may send before it waits for us: large, since every wait costs a round
/// trip through an emulated network card.
const WINDOW_BYTES: u32 = 4 << 20;

/// Port for which `known_hosts` has names without brackets.
const PLAIN_PORT: u16 = 22;

/// An authenticated connection; it ends when the last of its clones and channels is dropped.
#[derive(Clone)]
pub struct Connection {
    handle: Arc<client::Handle<Pin>>,
    lost: Arc<OnceLock<String>>,
}

impl Connection {
    /// Connects, compares the host key and logs in.
    ///
    /// # Errors
    /// A phase of it failed or took too long; the error says which.
    pub async fn open(endpoint: &Endpoint) -> Result<Self, SshError> {
        Self::open_within(endpoint, BANNER_LIMIT).await
    }

    async fn open_within(endpoint: &Endpoint, limit: Duration) -> Result<Self, SshError> {
        let deadline = Instant::now() + limit;
        loop {
            match greeted(endpoint).await {
                Ok(stream) => return Self::over(stream, endpoint).await,
                // With QEMU's forwarding, that is what a guest without a free hand looks like.
                Err(SshError::NoBanner { .. }) if Instant::now() < deadline => {
                    sleep(BANNER_RETRY).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Does the same over a stream that is connected already.
    pub(super) async fn over<S>(stream: S, endpoint: &Endpoint) -> Result<Self, SshError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let address = endpoint.address;
        let lost = Arc::new(OnceLock::new());
        let pin = Pin { pinned: pinned_key(endpoint)?, lost: Arc::clone(&lost) };
        let pinned = pin.pinned.fingerprint(HashAlg::Sha256).to_string();
        let handshake = client::connect_stream(Arc::new(settings()), stream, pin);
        let mut handle = within(HANDSHAKE_LIMIT, "the SSH handshake", endpoint, handshake)
            .await?
            .map_err(|error| match error {
            PinError::WrongKey { shown } => SshError::WrongHostKey {
                address,
                alias: endpoint.host_alias.clone(),
                pinned,
                shown,
            },
            PinError::Ssh(cause) => SshError::Handshake { address, cause: Box::new(cause) },
        })?;
        log_in(&mut handle, endpoint).await?;
        Ok(Self { handle: Arc::new(handle), lost })
    }

    /// Starts a command in the guest's shell.
    ///
    /// # Errors
    /// [`SshError::Denied`] or [`SshError::Lost`].
    pub async fn exec(&self, line: &str) -> Result<Channel, SshError> {
        let mut channel = self.channel().await?;
        channel.exec(line).await?;
        Ok(channel)
    }

    /// Opens a channel on which nothing runs yet.
    ///
    /// # Errors
    /// [`SshError::Lost`].
    pub async fn channel(&self) -> Result<Channel, SshError> {
        let opened = self.handle.channel_open_session().await;
        let channel = opened.map_err(|cause| self.lost("opening a channel", &cause))?;
        Ok(Channel::new(channel, self.clone()))
    }

    /// Runs a short command and returns what it prints on standard output.
    ///
    /// # Errors
    /// [`SshError::Denied`] or [`SshError::Lost`].
    pub async fn output(&self, line: &str) -> Result<Vec<u8>, SshError> {
        let mut channel = self.exec(line).await?;
        let mut output = Vec::new();
        while let Some(piece) = channel.incoming.next().await {
            if let Piece::Stdout(bytes) = piece {
                output.extend(bytes);
            }
        }
        Ok(output)
    }

    /// Says that the connection broke, and how, as far as is known.
    pub(super) fn lost(&self, doing: &str, seen: &dyn std::fmt::Display) -> SshError {
        let cause = self.lost.get().cloned().unwrap_or_else(|| seen.to_string());
        SshError::Lost { doing: doing.to_owned(), cause }
    }
}

/// What is cheap under emulation: Curve25519 and Ed25519 take the fewest instructions, and ChaCha20
/// with Poly1305 was no slower there than AES with a MAC of its own.
fn settings() -> client::Config {
    client::Config {
        window_size: WINDOW_BYTES,
        keepalive_interval: Some(KEEPALIVE_INTERVAL),
        keepalive_max: KEEPALIVE_MOST,
        preferred: Preferred {
            kex: Cow::Borrowed(&[
                kex::CURVE25519,
                kex::CURVE25519_PRE_RFC_8731,
                kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
            ]),
            key: Cow::Borrowed(&[Algorithm::Ed25519]),
            cipher: Cow::Borrowed(&[cipher::CHACHA20_POLY1305, cipher::AES_256_CTR]),
            ..Preferred::DEFAULT
        },
        nodelay: true,
        ..client::Config::default()
    }
}

/// Connects and waits until the other side shows that it is there.
async fn greeted(endpoint: &Endpoint) -> Result<TcpStream, SshError> {
    let address = endpoint.address;
    let unreachable = |cause| SshError::Unreachable { address, cause };
    let connect = TcpStream::connect(address);
    let stream = within(CONNECT_LIMIT, "connecting", endpoint, connect).await?;
    let stream = stream.map_err(unreachable)?;
    // Small packets go at once: the handshake is a dialogue.
    stream.set_nodelay(true).map_err(unreachable)?;
    wait_for_banner(&stream, endpoint).await?;
    Ok(stream)
}

/// Waits for the server's first bytes without taking them: with QEMU's forwarding, an accepted
/// connection proves nothing.
async fn wait_for_banner(stream: &TcpStream, endpoint: &Endpoint) -> Result<(), SshError> {
    let address = endpoint.address;
    let no_banner = |problem: String| SshError::NoBanner { address, problem };
    let mut first = [0; 4];
    match timeout(BANNER_LIMIT, stream.peek(&mut first)).await {
        Ok(Ok(0)) => Err(no_banner("it was closed at once".to_owned())),
        Ok(Ok(_)) => Ok(()),
        Ok(Err(cause)) => Err(no_banner(cause.to_string())),
        Err(_) => Err(no_banner(format!("silence for {} s", BANNER_LIMIT.as_secs()))),
    }
}

async fn log_in(handle: &mut client::Handle<Pin>, endpoint: &Endpoint) -> Result<(), SshError> {
    let (address, path) = (endpoint.address, endpoint.identity.clone());
    let key = match load_secret_key(&path, None) {
        Ok(key) => PrivateKeyWithHashAlg::new(Arc::new(key), None),
        Err(cause) => {
            return Err(SshError::Identity { path, cause: Box::new(cause) });
        }
    };
    let verdict = handle.authenticate_publickey(&endpoint.user, key);
    let verdict = within(AUTHENTICATION_LIMIT, "authentication", endpoint, verdict)
        .await?
        .map_err(|cause| SshError::Handshake { address, cause: Box::new(cause) })?;
    if verdict.success() {
        return Ok(());
    }
    Err(SshError::Refused { address, user: endpoint.user.clone(), path })
}

fn pinned_key(endpoint: &Endpoint) -> Result<PublicKey, SshError> {
    let (alias, path) = (&endpoint.host_alias, &endpoint.known_hosts);
    let keys = known_host_keys_path(alias, PLAIN_PORT, path).unwrap_or_default();
    let first = keys.into_iter().next().map(|(_line, key)| key);
    first.ok_or_else(|| SshError::NotPinned { path: path.clone(), alias: alias.clone() })
}

async fn within<T>(
    limit: Duration,
    phase: &'static str,
    endpoint: &Endpoint,
    work: impl Future<Output = T>,
) -> Result<T, SshError> {
    let late = |_| SshError::TooSlow { phase, address: endpoint.address, limit };
    timeout(limit, work).await.map_err(late)
}

/// Compares the server's key with the pinned one, and remembers how the connection ended.
struct Pin {
    pinned: PublicKey,
    lost: Arc<OnceLock<String>>,
}

/// What [`Pin`] can end a connection with.
#[derive(Debug)]
enum PinError {
    WrongKey { shown: String },
    Ssh(russh::Error),
}

impl From<russh::Error> for PinError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl client::Handler for Pin {
    type Error = PinError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, PinError> {
        let shown = shown.public_key();
        if shown.key_data() == self.pinned.key_data() {
            return Ok(true);
        }
        Err(PinError::WrongKey { shown: shown.fingerprint(HashAlg::Sha256).to_string() })
    }

    async fn disconnected(&mut self, reason: DisconnectReason<PinError>) -> Result<(), PinError> {
        let (words, outcome) = match reason {
            DisconnectReason::ReceivedDisconnect(_) => ("the guest ended it".to_owned(), Ok(())),
            DisconnectReason::Error(PinError::Ssh(error)) => (in_words(&error), Err(error.into())),
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
        russh::Error::HUP | russh::Error::Disconnect => "the guest is gone".to_owned(),
        russh::Error::IO(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
            "the guest is gone".to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Exit, Hint as _};
    use crate::ssh::test_server::{Guest, connect};

    /// `Connection` itself can't be shown.
    async fn refusal(guest: &Guest) -> SshError {
        match connect(guest).await {
            Ok(_) => panic!("it was let in"),
            Err(error) => error,
        }
    }

    #[tokio::test]
    async fn a_wrong_host_key_is_refused_with_both_fingerprints() {
        let mut guest = Guest::new();
        let fingerprint = |key: &PublicKey| key.fingerprint(HashAlg::Sha256).to_string();
        let pinned = fingerprint(guest.host_key.public_key());
        guest.host_key = Guest::strange_key();
        let shown = fingerprint(guest.host_key.public_key());
        let error = refusal(&guest).await;
        assert_eq!(
            error.to_string(),
            format!(
                "the SSH server at 127.0.0.1:22 has host key {shown}, not {pinned} as pinned for `netlab-test`"
            )
        );
        assert_eq!(error.exit(), Exit::ConnectionLost);
        assert!(error.hint().contains("`netlab down --all`"));
    }

    #[tokio::test]
    async fn a_key_that_the_guest_does_not_know_is_refused() {
        let mut guest = Guest::new();
        guest.allowed = Guest::strange_key().public_key().clone();
        let words = format!(
            "the SSH server at 127.0.0.1:22 does not accept the key `{}` for user `root`",
            guest.endpoint().identity.display()
        );
        assert_eq!(refusal(&guest).await.to_string(), words);
    }

    #[tokio::test]
    async fn an_endpoint_without_a_pinned_key_is_not_trusted() {
        let guest = Guest::new();
        let mut endpoint = guest.endpoint();
        endpoint.host_alias = "netlab-other".to_owned();
        let (ours, _theirs) = tokio::io::duplex(64);
        let Err(error) = Connection::over(ours, &endpoint).await else { panic!("it was trusted") };
        let path = endpoint.known_hosts.display();
        assert_eq!(error.to_string(), format!("`{path}` has no host key for `netlab-other`"));
    }

    #[tokio::test]
    async fn a_port_that_accepts_and_closes_is_no_ssh_server() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut endpoint = Guest::new().endpoint();
        endpoint.address = listener.local_addr().unwrap();
        let accept = async { drop(listener.accept().await.unwrap()) };
        let (outcome, ()) =
            tokio::join!(Connection::open_within(&endpoint, Duration::ZERO), accept);
        let Err(error) = outcome else { panic!("it was let in") };
        let words = format!(
            "{} accepted a connection, but no SSH server answered: it was closed at once",
            endpoint.address
        );
        assert_eq!((error.to_string(), error.exit()), (words, Exit::GuestDown));
    }
}
