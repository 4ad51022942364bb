//! Passes the standard streams of this process through to a command in the guest, byte for byte.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::channel::{Channel, Outgoing, Piece};
use super::error::SshError;

/// Bytes of standard input that are read at once: one packet of SSH.
const INPUT_BYTES: usize = 32 * 1024;

/// What a shell gives for a command whose reader has gone away: 128 + SIGPIPE.
const BROKEN_PIPE: u8 = 141;

/// Runs until the command ends and returns its exit status. A slow reader here makes the guest
/// wait, and a slow command there leaves our input unread.
///
/// # Errors
/// [`SshError::Lost`] if the command's status never comes, [`SshError::Local`] if a stream of this
/// process fails.
pub async fn relay(
    channel: Channel,
    stdin: impl AsyncRead + Unpin,
    mut stdout: impl AsyncWrite + Unpin,
    mut stderr: impl AsyncWrite + Unpin,
) -> Result<u8, SshError> {
    let Channel { mut incoming, outgoing } = channel;
    let input = pass_input(stdin, &outgoing);
    tokio::pin!(input);
    let mut more_input = true;
    let mut status = None;
    loop {
        let piece = tokio::select! {
            ended = &mut input, if more_input => {
                ended?;
                more_input = false;
                continue;
            }
            piece = incoming.next() => piece,
        };
        let written = match piece {
            Some(Piece::Stdout(bytes)) => write(&mut stdout, &bytes, "write standard output").await,
            Some(Piece::Stderr(bytes)) => write(&mut stderr, &bytes, "write standard error").await,
            Some(Piece::Ended(code)) => {
                status = Some(code);
                Ok(())
            }
            None => break,
        };
        match written {
            Err(SshError::Local { cause, .. }) if cause.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(BROKEN_PIPE);
            }
            other => other?,
        }
    }
    status.ok_or_else(|| outgoing.lost("running a command", &"it was closed without a status"))
}

/// Sends all of standard input. A command that no longer reads ends it without an error: what it
/// has to say comes the other way.
async fn pass_input(
    mut stdin: impl AsyncRead + Unpin,
    outgoing: &Outgoing,
) -> Result<(), SshError> {
    let mut buffer = vec![0; INPUT_BYTES];
    loop {
        let read = stdin.read(&mut buffer).await;
        let count =
            read.map_err(|cause| SshError::Local { doing: "read standard input", cause })?;
        let sent = match count {
            0 => outgoing.end().await,
            _ => outgoing.send(buffer[..count].to_vec(), "sending standard input").await,
        };
        if count == 0 || sent.is_err() {
            return Ok(());
        }
    }
}

async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    doing: &'static str,
) -> Result<(), SshError> {
    let failed = |cause| SshError::Local { doing, cause };
    stream.write_all(bytes).await.map_err(failed)?;
    stream.flush().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::test_server::{Guest, connect};

    /// Runs `line` on a server in this process and returns status, output and errors.
    async fn run(line: &str, input: &[u8]) -> (u8, Vec<u8>, Vec<u8>) {
        let guest = Guest::new();
        let channel = connect(&guest).await.unwrap().exec(line).await.unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = relay(channel, input, &mut out, &mut err).await.unwrap();
        (status, out, err)
    }

    #[tokio::test]
    async fn every_byte_comes_through_both_ways() {
        let every: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        assert_eq!(run("cat", &every).await, (0, every, Vec::new()));
    }

    #[tokio::test]
    async fn the_streams_and_the_status_stay_apart() {
        assert_eq!(run("fail 3", b"").await, (3, b"out\n".to_vec(), b"err\n".to_vec()));
    }

    #[tokio::test]
    async fn a_signal_is_128_and_its_number() {
        assert_eq!(run("killed", b"").await.0, 137);
    }

    #[tokio::test]
    async fn a_command_that_reads_nothing_still_ends() {
        assert_eq!(run("true", &vec![0; 4 << 20]).await.0, 0);
    }

    #[tokio::test]
    async fn a_channel_that_closes_without_a_status_is_a_lost_connection() {
        let guest = Guest::new();
        let channel = connect(&guest).await.unwrap().exec("vanish").await.unwrap();
        let error = relay(channel, tokio::io::empty(), Vec::new(), Vec::new()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the connection to the guest was lost while running a command: it was closed without a status"
        );
    }
}
