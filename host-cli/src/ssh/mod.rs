//! SSH to the guest: the keys of an instance, connections whose host key is pinned, commands and
//! shells over them, and the block that lets a stock OpenSSH client in too.
//!
//! Labs go through the agent, on one channel of such a connection; `exec` and `shell` are plain
//! channels and need no agent.

mod channel;
mod command;
pub mod config;
mod connect;
mod error;
pub mod keys;
mod relay;
mod shell;
#[cfg(test)]
pub(crate) mod test_server;

pub use channel::{Channel, Piece};
pub use connect::Connection;
pub use error::SshError;
pub use shell::shell;

use netlab_protocol::Place;

use crate::provider::Endpoint;

/// Runs a command in the guest with this process's standard streams and returns its exit status,
/// or 128 + N if signal N ended it.
///
/// # Errors
/// No connection, no such namespace, or a connection that is lost meanwhile.
pub async fn exec(endpoint: &Endpoint, place: &Place, words: &[String]) -> Result<u8, SshError> {
    let line = command::line(place, words)?;
    let connection = Connection::open(endpoint).await?;
    command::check_place(&connection, place).await?;
    let channel = connection.exec(&line).await?;
    let (stdin, stdout) = (tokio::io::stdin(), tokio::io::stdout());
    relay::relay(channel, stdin, stdout, tokio::io::stderr()).await
}
