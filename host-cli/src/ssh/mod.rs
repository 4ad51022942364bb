//! SSH to the guest: the keys of an instance, connections whose host key is known, commands and
//! shells over them, and the block that lets a stock OpenSSH client in too.
//!
//! Labs go through the agent, on one channel of such a connection; `exec` and `shell` are plain
//! channels and need no agent.

mod channel;
mod command;
pub mod config;
mod connect;
mod error;
mod greeting;
mod guard;
pub mod keys;
mod limit;
mod login;
pub mod openssh;
mod parameters;
mod relay;
mod root;
mod shell;
#[cfg(test)]
pub(crate) mod test_server;

pub use channel::{Channel, Piece};
pub use connect::Connection;
pub use error::SshError;
pub use login::{Address, Login, OpenSsh, Pinned};
pub use shell::shell;

use netlab_protocol::Place;

use crate::provider::Endpoint;

/// Runs a command in the guest with this process's standard streams and returns its exit status,
/// or 128 + N if signal N ended it.
///
/// # Errors
/// No connection, no such namespace, or a connection that is lost meanwhile.
pub async fn exec(endpoint: &Endpoint, place: &Place, words: &[String]) -> Result<u8, SshError> {
    let channel = start(endpoint, place, words).await?;
    let (stdin, stdout) = (tokio::io::stdin(), tokio::io::stdout());
    relay::relay(channel, stdin, stdout, tokio::io::stderr()).await
}

/// What a command in the guest wrote, and how it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// Exit status, or 128 + N if signal N ended it.
    pub status: u8,
    /// Bytes of its standard output.
    pub stdout: Vec<u8>,
    /// Bytes of its standard error.
    pub stderr: Vec<u8>,
}

/// Runs a command in the guest without input and keeps what it writes.
///
/// # Errors
/// As [`exec`].
pub async fn capture(
    endpoint: &Endpoint,
    place: &Place,
    words: &[String],
) -> Result<Captured, SshError> {
    let channel = start(endpoint, place, words).await?;
    let mut captured = Captured::default();
    let (stdout, stderr) = (&mut captured.stdout, &mut captured.stderr);
    captured.status = relay::relay(channel, tokio::io::empty(), stdout, stderr).await?;
    Ok(captured)
}

/// Runs a command in the guest without input. All that it says goes to standard error, where the user
/// sees it, and standard output stays free for results.
///
/// # Errors
/// A connection that is lost meanwhile.
pub async fn run_aloud(connection: &Connection, line: &str) -> Result<u8, SshError> {
    let channel = connection.exec(line).await?;
    let (stdout, stderr) = (tokio::io::stderr(), tokio::io::stderr());
    relay::relay(channel, tokio::io::empty(), stdout, stderr).await
}

async fn start(endpoint: &Endpoint, place: &Place, words: &[String]) -> Result<Channel, SshError> {
    let line = command::line(place, words)?;
    let connection = Connection::open(endpoint).await?;
    command::check_place(&connection, place).await?;
    connection.exec(&line).await
}
