//! One channel of a connection: a command that runs in the guest, its streams and its end.

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};

use super::connect::Connection;
use super::error::SshError;

/// Number of standard error among a channel's extended streams (RFC 4254, 5.2).
const STDERR: u32 = 1;

/// Exit status for a signal whose number is unknown.
const UNKNOWN_SIGNAL: u8 = 255;

/// Numbers of the guest's signals, which is always Linux.
const SIGNALS: [(&str, u8); 15] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
];

/// What comes from a channel, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of standard output.
    Stdout(Vec<u8>),
    /// Bytes of standard error.
    Stderr(Vec<u8>),
    /// The command has ended with this status, or with 128 + N by signal N.
    Ended(u8),
}

/// A command in the guest. The two halves can be used apart, so that one waits while the other
/// works.
pub struct Channel {
    /// What comes from the guest.
    pub incoming: Incoming,
    /// What goes there.
    pub outgoing: Outgoing,
}

/// The half that comes from the guest.
pub struct Incoming {
    half: ChannelReadHalf,
}

/// The half that goes to the guest. It keeps the connection open.
pub struct Outgoing {
    half: ChannelWriteHalf<Msg>,
    connection: Connection,
}

impl Channel {
    pub(super) fn new(channel: russh::Channel<Msg>, connection: Connection) -> Self {
        let (read, write) = channel.split();
        Self { incoming: Incoming { half: read }, outgoing: Outgoing { half: write, connection } }
    }

    /// Starts a command in the guest's shell.
    pub(super) async fn exec(&mut self, line: &str) -> Result<(), SshError> {
        let asked = self.outgoing.half.exec(true, line).await;
        self.granted(asked, || format!("to run `{line}`")).await
    }

    /// Starts the guest's login shell.
    pub(super) async fn shell(&mut self) -> Result<(), SshError> {
        let asked = self.outgoing.half.request_shell(true).await;
        self.granted(asked, || "to start a shell".to_owned()).await
    }

    /// Asks for a terminal, before anything is started on it.
    pub(super) async fn terminal(&mut self, term: &str, size: (u16, u16)) -> Result<(), SshError> {
        let (columns, rows) = (size.0.into(), size.1.into());
        let asked = self.outgoing.half.request_pty(true, term, columns, rows, 0, 0, &[]).await;
        self.granted(asked, || "to open a terminal".to_owned()).await
    }

    /// Waits for the server's word on a request.
    async fn granted(
        &mut self,
        asked: Result<(), russh::Error>,
        what: impl Fn() -> String,
    ) -> Result<(), SshError> {
        asked.map_err(|cause| self.outgoing.lost(&format!("asking {}", what()), &cause))?;
        loop {
            match self.incoming.half.wait().await {
                Some(ChannelMsg::Success) => return Ok(()),
                Some(ChannelMsg::WindowAdjusted { .. }) => {}
                Some(_) => return Err(SshError::Denied { what: what() }),
                None => {
                    return Err(self
                        .outgoing
                        .lost(&format!("asking {}", what()), &"it was closed"));
                }
            }
        }
    }
}

impl Incoming {
    /// Returns what comes next, or `None` once the channel is closed. It may be dropped while it
    /// waits: nothing is lost.
    pub async fn next(&mut self) -> Option<Piece> {
        loop {
            match self.half.wait().await? {
                ChannelMsg::Data { data } => return Some(Piece::Stdout(data.into())),
                ChannelMsg::ExtendedData { data, ext: STDERR } => {
                    return Some(Piece::Stderr(data.into()));
                }
                // The guest's statuses have eight bits.
                ChannelMsg::ExitStatus { exit_status } => {
                    return Some(Piece::Ended((exit_status & 0xff) as u8));
                }
                ChannelMsg::ExitSignal { signal_name, .. } => {
                    return Some(Piece::Ended(status_of_signal(&signal_name)));
                }
                _ => {}
            }
        }
    }
}

impl Outgoing {
    /// Sends bytes to the command's standard input; waits while the guest takes no more.
    ///
    /// # Errors
    /// [`SshError::Lost`], naming what was being done.
    pub async fn send(&self, bytes: Vec<u8>, doing: &str) -> Result<(), SshError> {
        self.half.data_bytes(bytes).await.map_err(|cause| self.lost(doing, &cause))
    }

    /// Ends the command's standard input.
    ///
    /// # Errors
    /// [`SshError::Lost`].
    pub async fn end(&self) -> Result<(), SshError> {
        self.half.eof().await.map_err(|cause| self.lost("ending its input", &cause))
    }

    /// Tells the guest's terminal its new size.
    pub(super) async fn resize(&self, size: (u16, u16)) -> Result<(), SshError> {
        let (columns, rows) = (size.0.into(), size.1.into());
        let sent = self.half.window_change(columns, rows, 0, 0).await;
        sent.map_err(|cause| self.lost("resizing its terminal", &cause))
    }

    /// Says that the channel broke, and how, as far as is known.
    pub fn lost(&self, doing: &str, seen: &dyn std::fmt::Display) -> SshError {
        self.connection.lost(doing, seen)
    }
}

fn status_of_signal(signal: &Sig) -> u8 {
    let name = match signal {
        Sig::ABRT => "ABRT",
        Sig::ALRM => "ALRM",
        Sig::FPE => "FPE",
        Sig::HUP => "HUP",
        Sig::ILL => "ILL",
        Sig::INT => "INT",
        Sig::KILL => "KILL",
        Sig::PIPE => "PIPE",
        Sig::QUIT => "QUIT",
        Sig::SEGV => "SEGV",
        Sig::TERM => "TERM",
        Sig::USR1 => "USR1",
        Sig::Custom(name) => name,
    };
    let number = SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, number)| 128 + number);
    number.unwrap_or(UNKNOWN_SIGNAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_becomes_the_status_that_a_shell_gives() {
        let cases = [
            (Sig::KILL, 137),
            (Sig::TERM, 143),
            (Sig::SEGV, 139),
            (Sig::Custom("BUS".to_owned()), 135),
            (Sig::Custom("WEIRD".to_owned()), 255),
        ];
        for (signal, status) in cases {
            assert_eq!(status_of_signal(&signal), status, "{signal:?}");
        }
    }
}
