//! Deadlines of the phases in which a connection comes about.

use std::time::Duration;

use tokio::time::timeout;

use super::error::SshError;
use super::login::Address;

/// Deadline for the TCP connection.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Deadline for the server's first words. A guest under emulation on a busy laptop takes a second.
pub(super) const BANNER_LIMIT: Duration = Duration::from_secs(10);

/// Deadline for the key exchange: 0.2 s under emulation.
pub(super) const HANDSHAKE_LIMIT: Duration = Duration::from_secs(20);

/// Deadline for the server's verdict on our key: 0.1 s under emulation.
pub(super) const AUTHENTICATION_LIMIT: Duration = Duration::from_secs(20);

/// The same where an agent may ask its user to confirm, or to touch a key.
pub(super) const AGENT_LIMIT: Duration = Duration::from_secs(60);

/// Does the work of a phase in its time.
///
/// # Errors
/// [`SshError::TooSlow`].
pub(super) async fn within<T>(
    limit: Duration,
    phase: &'static str,
    address: &Address,
    work: impl Future<Output = T>,
) -> Result<T, SshError> {
    let late = |_| SshError::TooSlow { phase, address: address.clone(), limit };
    timeout(limit, work).await.map_err(late)
}
