//! A shell in the guest on this terminal: raw keys there, screen bytes back, its size kept equal.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use crossterm::terminal::{disable_raw_mode, enable_raw_mode, size};
use netlab_protocol::Place;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{MissedTickBehavior, interval};

use super::channel::{Channel, Piece};
use super::connect::Connection;
use super::error::SshError;
use super::{command, relay};
use crate::platform::keyboard::Keyboard;
use crate::provider::Endpoint;

/// How often the terminal's size is looked at: not every system has a signal for it, and a look
/// costs microseconds.
const SIZE_PERIOD: Duration = Duration::from_millis(200);

/// What the guest's programs are told where the host names no terminal, as on Windows.
const DEFAULT_TERM: &str = "xterm-256color";

/// Opens a shell in the guest and returns its exit status. Without a terminal on standard input
/// it runs the commands that come there.
///
/// # Errors
/// No connection, no such namespace, or a connection that is lost meanwhile.
pub async fn shell(endpoint: &Endpoint, place: &Place) -> Result<u8, SshError> {
    let line = match place {
        Place::Root => None,
        Place::Namespace(_) => Some(command::line(place, &["bash".to_owned(), "-l".to_owned()])?),
    };
    let connection = Connection::open(endpoint).await?;
    command::check_place(&connection, place).await?;
    let mut channel = connection.channel().await?;
    let interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut last_size = (80, 24);
    if interactive {
        last_size = terminal_size()?;
        let term = std::env::var("TERM").unwrap_or_else(|_| DEFAULT_TERM.to_owned());
        channel.terminal(&term, last_size).await?;
    }
    match &line {
        None => connection.shell(&mut channel).await?,
        Some(line) => channel.exec(line).await?,
    }
    if interactive {
        let _raw = RawMode::enter()?;
        converse(channel, last_size).await
    } else {
        let (stdin, stdout) = (tokio::io::stdin(), tokio::io::stdout());
        relay::relay(channel, stdin, stdout, tokio::io::stderr()).await
    }
}

/// Passes keys and screen until the shell ends.
async fn converse(channel: Channel, mut last_size: (u16, u16)) -> Result<u8, SshError> {
    let Channel { mut incoming, outgoing } = channel;
    let failed = |doing| move |cause| SshError::Local { doing, cause };
    let mut screen = tokio::io::stdout();
    let mut keyboard = Keyboard::open().map_err(failed("read the keyboard"))?;
    let mut look = interval(SIZE_PERIOD);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut more_keys = true;
    let mut status = None;
    loop {
        tokio::select! {
            piece = incoming.next() => match piece {
                Some(Piece::Stdout(bytes) | Piece::Stderr(bytes)) => {
                    screen.write_all(&bytes).await.map_err(failed("write to the terminal"))?;
                    screen.flush().await.map_err(failed("write to the terminal"))?;
                }
                Some(Piece::Ended(code)) => status = Some(code),
                None => break,
            },
            keys = keyboard.next(), if more_keys => match keys.map_err(failed("read the keyboard"))? {
                Some(keys) => outgoing.send(keys, "typing into a shell").await?,
                None => {
                    more_keys = false;
                    outgoing.end().await?;
                }
            },
            _ = look.tick() => {
                let now = terminal_size()?;
                if now != last_size {
                    outgoing.resize(now).await?;
                    last_size = now;
                }
            }
        }
    }
    status.ok_or_else(|| outgoing.lost("using a shell", &"it was closed without a status"))
}

/// Columns and rows of this terminal.
fn terminal_size() -> Result<(u16, u16), SshError> {
    size().map_err(|cause| SshError::Local { doing: "ask the terminal for its size", cause })
}

/// The terminal in raw mode; dropping it puts the old mode back, whatever happened.
struct RawMode;

impl RawMode {
    fn enter() -> Result<Self, SshError> {
        let failed = |cause| SshError::Local { doing: "put the terminal into raw mode", cause };
        enable_raw_mode().map(|()| Self).map_err(failed)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // It worked in the other direction; should it fail, there is nobody left to tell.
        let _ = disable_raw_mode();
    }
}
