//! What ends a session from outside: a signal, or the end of the process whose host it has.

use std::future::pending;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;
use crate::held::Visitor;

/// The signals that end a session: from a person, from the system, from a lost terminal.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    /// The shell of this session, if the host was handed over by another process.
    pub shell: Option<Visitor>,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn listen() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind).map_err(|source| Error::System { doing: "listen for signals", source })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
            shell: None,
        })
    }

    /// Waits for anything that ends a session. One whose host was handed over hears of its end by
    /// the shell: a hang-up is of the terminal that it had before, and may come late.
    pub async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hang_up.recv() => if self.shell.is_none() { return },
                () = gone(&mut self.shell) => return,
            }
        }
    }

    /// Waits for what ends even a held lab, which outlives its terminal and its shell.
    pub async fn next_by_word(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hang_up.recv() => {}
                () = gone(&mut self.shell) => self.shell = None,
            }
        }
    }

    /// Lets the shell of the session end.
    pub async fn release_shell(&mut self, well: bool) {
        if let Some(shell) = self.shell.take()
            && let Err(error) = shell.over(well).await
        {
            error.log();
        }
    }
}

async fn gone(shell: &mut Option<Visitor>) {
    match shell {
        Some(shell) => shell.gone().await,
        None => pending().await,
    }
}
