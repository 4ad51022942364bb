//! A connection to an SSH server. The host key is compared with what is known of it on every
//! connection, and each phase has a deadline.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::Preferred;
use russh::client;
use russh::keys::known_hosts::known_host_keys_path;
use russh::keys::{PrivateKeyWithHashAlg, PublicKey, load_secret_key};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep};

use super::channel::{Channel, Piece};
use super::error::SshError;
use super::greeting::greeted;
use super::guard::{Guard, GuardError, Refused};
use super::limit::{AGENT_LIMIT, AUTHENTICATION_LIMIT, BANNER_LIMIT, HANDSHAKE_LIMIT, within};
use super::login::{Address, Login, OpenSsh, Pinned};
use super::openssh::{self, Jump, Known, OpenSshError};
use super::parameters::{frugal, usual};
use super::root;
use crate::provider::Endpoint;

/// Time between two tries to hear them.
const BANNER_RETRY: Duration = Duration::from_millis(50);

/// Longest output of a command whose answer is kept, in bytes: four times the agent's journal, which is the
/// longest of them.
const MAX_OUTPUT_BYTES: usize = 4 * 1024 * 1024;

/// Port for which `known_hosts` has names without brackets.
const PLAIN_PORT: u16 = 22;

/// Root's other name in a guest of netlab's own, as the image's recipe has it. Its login shell is `sh`,
/// which an emulated guest starts 0.04 s sooner than bash.
const AGENTS_ACCOUNT: &str = "netlab";

/// An authenticated connection; it ends when the last of its clones and channels is dropped.
#[derive(Clone)]
pub struct Connection {
    handle: Arc<client::Handle<Guard>>,
    lost: Arc<OnceLock<String>>,
    first_seen: Arc<OnceLock<PublicKey>>,
    /// Whether commands become root's by themselves: at a machine of the user's.
    becomes_root: bool,
    /// Whether the machine is one of the user's.
    is_lent: bool,
}

impl Connection {
    /// Connects, compares the host key and logs in.
    ///
    /// # Errors
    /// A phase of it failed or took too long; the error says which.
    pub async fn open(endpoint: &Endpoint) -> Result<Self, SshError> {
        match &endpoint.login {
            Login::Pinned(pinned) => Self::to_guest(endpoint, pinned, BANNER_LIMIT).await,
            Login::OpenSsh(login) => {
                Self::to_lent(endpoint, login).await.map_err(|error| error.at_lent(login))
            }
        }
    }

    /// Connects like [`Self::open`], for the agent alone: commands run in the machine's `sh` or, where
    /// that is the user's, in their login shell.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn for_agent(endpoint: &Endpoint) -> Result<Self, SshError> {
        match &endpoint.login {
            Login::Pinned(_) => {
                let user = AGENTS_ACCOUNT.to_owned();
                Self::open(&Endpoint { user, ..endpoint.clone() }).await
            }
            Login::OpenSsh(_) => Self::open(endpoint).await,
        }
    }

    /// Connects to a guest of netlab's own.
    async fn to_guest(
        endpoint: &Endpoint,
        pinned: &Pinned,
        limit: Duration,
    ) -> Result<Self, SshError> {
        let deadline = Instant::now() + limit;
        loop {
            match greeted(&endpoint.address).await {
                Ok(stream) => return Self::over(stream, endpoint, pinned).await,
                // With QEMU's forwarding, that is what a guest without a free hand looks like.
                Err(SshError::NoBanner { .. }) if Instant::now() < deadline => {
                    sleep(BANNER_RETRY).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Does the same over a stream that is connected already.
    pub(super) async fn over<S>(
        stream: S,
        endpoint: &Endpoint,
        pinned: &Pinned,
    ) -> Result<Self, SshError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let known = Known::only(pinned_key(pinned)?);
        let guard = Guard::new(known, false);
        let address = &endpoint.address;
        let refusal = |guard: &Guard, refused| match refused {
            Refused::Wrong { shown } | Refused::Revoked { shown } | Refused::Unknown { shown } => {
                SshError::WrongHostKey {
                    address: address.clone(),
                    alias: pinned.host_alias.clone(),
                    pinned: guard.known.fingerprints(),
                    shown,
                }
            }
        };
        let shaken = Self::shake_hands(stream, address, frugal(), guard, refusal);
        let (mut handle, parts) = shaken.await?;
        let log_in = log_in(&mut handle, endpoint, &pinned.identity);
        within(AUTHENTICATION_LIMIT, "authentication", address, log_in).await??;
        Ok(parts.with(handle, false))
    }

    /// Connects to a machine of the user's, as OpenSSH would.
    async fn to_lent(endpoint: &Endpoint, login: &OpenSsh) -> Result<Self, SshError> {
        let (address, settings) = (&endpoint.address, &login.settings);
        let known = Known::of(settings, &login.pinned).await?;
        let order = known.order(usual().preferred.key.to_vec());
        let preferred = Preferred { key: Cow::Owned(order), ..Preferred::DEFAULT };
        let config = client::Config { preferred, ..usual() };
        let guard = Guard::new(known, settings.takes_unknown);
        let refusal = |guard: &Guard, refused| match refused {
            Refused::Wrong { shown } => SshError::from(OpenSshError::ChangedHostKey {
                name: settings.host_name.clone(),
                known: guard.known.fingerprints(),
                file: guard.known.file().to_owned(),
                shown,
            }),
            Refused::Revoked { shown } => SshError::from(OpenSshError::RevokedHostKey {
                name: settings.host_name.clone(),
                file: guard.known.revoked_in().to_owned(),
                shown,
            }),
            Refused::Unknown { shown } => SshError::from(OpenSshError::UnknownHost {
                address: address.clone(),
                command: settings.command(),
                shown,
            }),
        };
        let (mut handle, parts) = match &settings.jump {
            Some(jump) => {
                let stream = Jump::open(settings, jump)?;
                Self::shake_hands(stream, address, config, guard, refusal).await?
            }
            None => {
                let stream = greeted(address).await?;
                Self::shake_hands(stream, address, config, guard, refusal).await?
            }
        };
        let log_in = openssh::log_in(&mut handle, settings);
        within(AGENT_LIMIT, "authentication", address, log_in).await??;
        Ok(parts.with(handle, true))
    }

    /// Agrees on keys with the server, and makes sure that it is the right one.
    async fn shake_hands<S>(
        stream: S,
        address: &Address,
        config: client::Config,
        guard: Guard,
        refusal: impl Fn(&Guard, Refused) -> SshError,
    ) -> Result<(client::Handle<Guard>, Parts), SshError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (lost, first_seen) = (Arc::clone(&guard.lost), Arc::clone(&guard.first_seen));
        let parts = Parts { lost, first_seen };
        let handshake = client::connect_stream(Arc::new(config), stream, guard.clone());
        let handle = within(HANDSHAKE_LIMIT, "the SSH handshake", address, handshake).await?;
        let handle = handle.map_err(|error| match error {
            GuardError::Key(refused) => refusal(&guard, refused),
            GuardError::Ssh(cause) => {
                SshError::Handshake { address: address.clone(), cause: Box::new(cause) }
            }
        })?;
        Ok((handle, parts))
    }

    /// The same connection, on which commands run as the user that has logged in.
    pub fn as_user(&self) -> Self {
        Self { becomes_root: false, ..self.clone() }
    }

    /// Whether the machine is one of the user's, which was there before netlab and stays.
    pub fn is_lent(&self) -> bool {
        self.is_lent
    }

    /// The server's host key, if it was taken without being known.
    pub fn first_seen(&self) -> Option<&PublicKey> {
        self.first_seen.get()
    }

    /// Starts a command in the guest's shell.
    ///
    /// # Errors
    /// [`SshError::Denied`] or [`SshError::Lost`].
    pub async fn exec(&self, line: &str) -> Result<Channel, SshError> {
        let mut channel = self.channel().await?;
        if self.becomes_root {
            channel.exec(&root::command(line)).await?;
        } else {
            channel.exec(line).await?;
        }
        Ok(channel)
    }

    /// Starts root's login shell on a channel.
    ///
    /// # Errors
    /// [`SshError::Denied`] or [`SshError::Lost`].
    pub(super) async fn shell(&self, channel: &mut Channel) -> Result<(), SshError> {
        if self.becomes_root { channel.exec(&root::shell()).await } else { channel.shell().await }
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
    /// [`SshError::Denied`], or [`SshError::Lost`], also if it says more than a short command would.
    pub async fn output(&self, line: &str) -> Result<Vec<u8>, SshError> {
        let mut channel = self.exec(line).await?;
        let mut output = Vec::new();
        while let Some(piece) = channel.incoming.next().await {
            if let Piece::Stdout(bytes) = piece {
                output.extend(bytes);
                if output.len() > MAX_OUTPUT_BYTES {
                    let seen = format!("it says more than {MAX_OUTPUT_BYTES} bytes");
                    return Err(self.lost("asking it", &seen));
                }
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

/// Logs in with a key of the instance's own.
async fn log_in(
    handle: &mut client::Handle<Guard>,
    endpoint: &Endpoint,
    path: &Path,
) -> Result<(), SshError> {
    let (address, path) = (endpoint.address.clone(), path.to_owned());
    let key = match load_secret_key(&path, None) {
        Ok(key) => PrivateKeyWithHashAlg::new(Arc::new(key), None),
        Err(cause) => {
            return Err(SshError::Identity { path, cause: Box::new(cause) });
        }
    };
    let verdict = handle.authenticate_publickey(&endpoint.user, key).await;
    match verdict {
        Ok(verdict) if verdict.success() => Ok(()),
        Ok(_) => Err(SshError::Refused { address, user: endpoint.user.clone(), path }),
        Err(cause) => Err(SshError::Handshake { address, cause: Box::new(cause) }),
    }
}

fn pinned_key(pinned: &Pinned) -> Result<PublicKey, SshError> {
    let (alias, path) = (&pinned.host_alias, &pinned.known_hosts);
    let keys = known_host_keys_path(alias, PLAIN_PORT, path).unwrap_or_default();
    let first = keys.into_iter().next().map(|(_line, key)| key);
    first.ok_or_else(|| SshError::NotPinned { path: path.clone(), alias: alias.clone() })
}

/// What the [`Guard`] of a connection tells.
struct Parts {
    lost: Arc<OnceLock<String>>,
    first_seen: Arc<OnceLock<PublicKey>>,
}

impl Parts {
    fn with(self, handle: client::Handle<Guard>, is_lent: bool) -> Connection {
        let Self { lost, first_seen } = self;
        Connection { handle: Arc::new(handle), lost, first_seen, becomes_root: is_lent, is_lent }
    }
}

#[cfg(test)]
mod tests {
    use russh::keys::HashAlg;

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
            guest.pinned().identity.display()
        );
        assert_eq!(refusal(&guest).await.to_string(), words);
    }

    #[tokio::test]
    async fn an_endpoint_without_a_pinned_key_is_not_trusted() {
        let guest = Guest::new();
        let mut pinned = guest.pinned();
        pinned.host_alias = "netlab-other".to_owned();
        let (ours, _theirs) = tokio::io::duplex(64);
        let connected = Connection::over(ours, &guest.endpoint(), &pinned).await;
        let Err(error) = connected else { panic!("it was trusted") };
        let path = pinned.known_hosts.display();
        assert_eq!(error.to_string(), format!("`{path}` has no host key for `netlab-other`"));
    }

    #[tokio::test]
    async fn a_port_that_accepts_and_closes_is_no_ssh_server() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let guest = Guest::new();
        let mut endpoint = guest.endpoint();
        endpoint.address = listener.local_addr().unwrap().into();
        let accept = async { drop(listener.accept().await.unwrap()) };
        let pinned = guest.pinned();
        let connect = Connection::to_guest(&endpoint, &pinned, Duration::ZERO);
        let (outcome, ()) = tokio::join!(connect, accept);
        let Err(error) = outcome else { panic!("it was let in") };
        let words = format!(
            "{} accepted a connection, but no SSH server answered: it was closed at once",
            endpoint.address
        );
        assert_eq!((error.to_string(), error.exit()), (words, Exit::GuestDown));
    }
}
