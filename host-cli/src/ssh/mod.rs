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

/// Most that is kept of what a command in one guest of a group says, in bytes: forty of them are half a
/// gibibyte.
const MAX_CAPTURED_BYTES: usize = 16 << 20;

/// Runs a command in the guest without input and keeps what it writes.
///
/// # Errors
/// As [`exec`]; [`SshError::TooMuch`].
pub async fn capture(
    endpoint: &Endpoint,
    place: &Place,
    words: &[String],
) -> Result<Captured, SshError> {
    let channel = start(endpoint, place, words).await?;
    kept(channel, &endpoint.name, MAX_CAPTURED_BYTES).await
}

/// Keeps what a command without input writes in the guest of this name, up to a limit.
async fn kept(channel: Channel, name: &str, limit: usize) -> Result<Captured, SshError> {
    let Channel { mut incoming, outgoing } = channel;
    // A command that has ended already takes no end of input, and says so by its status.
    let _ended = outgoing.end().await;
    let mut captured = Captured::default();
    let mut status = None;
    while let Some(piece) = incoming.next().await {
        match piece {
            Piece::Stdout(bytes) => captured.stdout.extend(bytes),
            Piece::Stderr(bytes) => captured.stderr.extend(bytes),
            Piece::Ended(code) => status = Some(code),
        }
        if captured.stdout.len() + captured.stderr.len() > limit {
            return Err(SshError::TooMuch { name: name.to_owned(), limit });
        }
    }
    let lost = || outgoing.lost("running a command", &"it was closed without a status");
    Ok(Captured { status: status.ok_or_else(lost)?, ..captured })
}

/// Longest line of a command that is told line by line, in bytes; a longer one is told in pieces.
const MAX_LINE_BYTES: usize = 8 << 10;

/// Runs a command in the guest without input, and tells each line that it says as it comes. Its errors come
/// by the same way as its output.
///
/// # Errors
/// A connection that is lost meanwhile.
pub async fn run_aloud(
    connection: &Connection,
    line: &str,
    mut tell: impl FnMut(&[u8]),
) -> Result<u8, SshError> {
    let Channel { mut incoming, outgoing } = connection.exec(line).await?;
    let _ended = outgoing.end().await;
    let mut status = None;
    let mut rest = Vec::new();
    while let Some(piece) = incoming.next().await {
        match piece {
            Piece::Stdout(bytes) | Piece::Stderr(bytes) => rest.extend(bytes),
            Piece::Ended(code) => status = Some(code),
        }
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            tell(&rest[..end]);
            rest.drain(..=end);
        }
        if rest.len() > MAX_LINE_BYTES {
            tell(&std::mem::take(&mut rest));
        }
    }
    if !rest.is_empty() {
        tell(&rest);
    }
    status.ok_or_else(|| outgoing.lost("running a command", &"it was closed without a status"))
}

async fn start(endpoint: &Endpoint, place: &Place, words: &[String]) -> Result<Channel, SshError> {
    let line = command::line(place, words)?;
    let connection = Connection::open(endpoint).await?;
    command::check_place(&connection, place).await?;
    connection.exec(&line).await
}

#[cfg(test)]
mod tests {
    use super::test_server::{Guest, connect};
    use super::*;

    #[tokio::test]
    async fn what_a_command_of_a_group_says_is_kept_up_to_a_limit() {
        let mut guest = Guest::new();
        guest.agent = b"0123456789".to_vec();
        let said = async |limit| {
            kept(connect(&guest).await.unwrap().exec("agent").await.unwrap(), "lab", limit).await
        };
        let Captured { status, stdout, stderr } = said(33).await.unwrap();
        assert_eq!((status, stdout, stderr.len()), (1, guest.agent.clone(), 23));
        let error = said(32).await.unwrap_err();
        assert_eq!(error.to_string(), "the command says more than 32 bytes in guest `lab`");
    }
}
