//! The cold boot: from a QEMU that has just been started to a listening SSH server. The rule: each
//! wait is a row of [`super::readiness`], and QEMU's end is looked for beside every one of them.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, SystemTime};

use netlab_protocol::boot::{self, ENTROPY_BYTES, Order, Report, Secrets};
use rand::Rng;
use tokio::time::{Instant, timeout};

use super::GuestKeys;
use super::channel::{BootChannel, ChannelError};
use super::console::{self, Console};
use super::error::QemuError;
use super::process::Guarded;
use super::qmp::{Qmp, QmpError};
use super::readiness::{self, Row};
use crate::platform::Accelerator;
use crate::report::{Event, Phase, Reporter};

/// Time for QEMU to open its sockets. It does so before it loads the guest.
const SOCKETS_WITHIN: Duration = Duration::from_secs(10);

/// Time between two tries to connect to something that isn't there yet.
const RETRY_EVERY: Duration = Duration::from_millis(5);

/// A guest that is being started.
pub struct ColdBoot<'a> {
    /// When the whole start began.
    pub begun: Instant,
    /// Where the phases go.
    pub reporter: &'a Reporter,
    /// What the guest runs with.
    pub accelerator: Accelerator,
    /// Its UUID.
    pub uuid: &'a str,
    /// The guest's host name.
    pub hostname: &'a str,
    /// What makes it this instance.
    pub keys: &'a GuestKeys,
    /// QEMU's control channel.
    pub control_channel: &'a str,
    /// The host's side of the boot channel.
    pub boot_channel: &'a str,
    /// The guest's console.
    pub serial_log: &'a Path,
    /// What QEMU says.
    pub qemu_log: &'a Path,
    /// The port that was asked for.
    pub port: Option<u16>,
}

/// How far the boot has come.
struct Progress {
    /// What is waited for.
    row: &'static Row,
    /// Since when.
    since: Instant,
}

impl ColdBoot<'_> {
    /// Waits until the guest's SSH server listens. Returns the port on 127.0.0.1 that leads to
    /// it.
    ///
    /// # Errors
    /// [`QemuError::Exited`], [`QemuError::Panicked`], [`QemuError::PortTaken`],
    /// [`QemuError::Stalled`], [`QemuError::GaveUp`], [`QemuError::Channel`],
    /// [`QemuError::Control`].
    pub async fn run(&self, qemu: &mut Guarded) -> Result<u16, QemuError> {
        let first = Row::awaiting(boot::Phase::Kernel);
        let mut progress = Progress { row: first, since: Instant::now() };
        self.reporter.emit(Event::PhaseStarted { phase: first.shown });
        let result = tokio::select! {
            // The guest's own words, still in the channel when QEMU ends, say more than its end.
            biased;
            result = self.converse(&mut progress) => result,
            ended = qemu.exited() => return Err(self.ended(&progress, ended)),
        };
        match result {
            // The channel closes a moment before the process is gone.
            Err(QemuError::Channel { .. } | QemuError::Control { .. }) => {
                match timeout(Duration::from_secs(1), qemu.exited()).await {
                    Ok(ended) => Err(self.ended(&progress, ended)),
                    Err(_) => result,
                }
            }
            result => result,
        }
    }

    async fn converse(&self, progress: &mut Progress) -> Result<u16, QemuError> {
        let mut channel = self.open_channel(progress).await?;
        let port = self.forwarded_port().await?;
        loop {
            let limit = progress.row.deadline(self.accelerator);
            let broken = |error: ChannelError| QemuError::Channel {
                phase: progress.row.shown,
                problem: error.to_string(),
            };
            let Ok(report) =
                tokio::time::timeout_at(progress.since + limit, channel.report()).await
            else {
                return Err(self.stalled(progress));
            };
            match report.map_err(broken)? {
                Report::Reached { phase, .. } => self.reached(progress, phase),
                Report::NeedSecrets => {
                    let begin = Order::Begin(Box::new(self.secrets()));
                    channel.order(&begin).await.map_err(broken)?;
                }
                // Only a guest that was brought back says so.
                Report::Awake => {}
                // It listens. What it says is heard by whoever connects: forwarding accepts a
                // connection whether or not anybody is behind it.
                Report::Ready => return Ok(port),
                Report::Failed { phase, problem } => {
                    let phase = Row::awaiting(phase).shown;
                    let console = self.console()?;
                    return Err(QemuError::GaveUp { phase, problem, console });
                }
            }
        }
    }

    /// Goes on to the next row, and tells when that ends a phase that the user sees.
    fn reached(&self, progress: &mut Progress, phase: boot::Phase) {
        let Some(next) = readiness::after(phase) else {
            return;
        };
        let (old, new) = (progress.row.shown, next.shown);
        *progress = Progress { row: next, since: Instant::now() };
        if new > old {
            let since_start = self.begun.elapsed();
            self.reporter.emit(Event::PhaseDone { phase: old, since_start });
            // `ssh` ends with the login, which isn't ours to tell.
            self.reporter.emit(Event::PhaseStarted { phase: new });
        }
    }

    async fn open_channel(&self, progress: &Progress) -> Result<BootChannel, QemuError> {
        let deadline = Instant::now() + SOCKETS_WITHIN;
        loop {
            match BootChannel::connect(self.boot_channel).await {
                Ok(channel) => return Ok(channel),
                Err(_) if Instant::now() < deadline => tokio::time::sleep(RETRY_EVERY).await,
                Err(error) => {
                    let problem = format!("can't connect to `{}`: {error}", self.boot_channel);
                    return Err(QemuError::Channel { phase: progress.row.shown, problem });
                }
            }
        }
    }

    /// Asks QEMU which port the system gave it, and makes sure that it is our QEMU that answers.
    async fn forwarded_port(&self) -> Result<u16, QemuError> {
        let failed = |source| QemuError::Control {
            doing: "can't ask QEMU for the port of the guest's SSH server",
            source,
        };
        let deadline = Instant::now() + SOCKETS_WITHIN;
        let mut client = loop {
            match Qmp::connect(self.control_channel).await {
                Ok(client) => break client,
                Err(QmpError::Connect { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(RETRY_EVERY).await;
                }
                Err(error) => return Err(failed(error)),
            }
        };
        let answer = client.uuid().await.map_err(failed)?;
        if answer != self.uuid {
            return Err(failed(QmpError::Unexpected { command: "query-uuid".to_owned(), answer }));
        }
        client.forwarded_port().await.map_err(failed)
    }

    fn secrets(&self) -> Secrets {
        let mut entropy = vec![0; ENTROPY_BYTES];
        rand::rng().fill_bytes(&mut entropy);
        Secrets {
            hostname: self.hostname.to_owned(),
            host_key: self.keys.host_key.to_vec(),
            authorized_key: self.keys.authorized_key.clone(),
            unix_nanos: unix_nanos(),
            entropy,
        }
    }

    fn console(&self) -> Result<Console, QemuError> {
        Console::read(self.serial_log).map_err(|source| QemuError::File {
            action: "read",
            path: self.serial_log.to_owned(),
            source,
        })
    }

    fn stalled(&self, progress: &Progress) -> QemuError {
        let console = match self.console() {
            Ok(console) => console,
            Err(error) => return error,
        };
        if let Some(reason) = console.panic().map(str::to_owned) {
            return QemuError::Panicked { phase: progress.row.shown, reason, console };
        }
        QemuError::Stalled {
            row: progress.row,
            waited: progress.since.elapsed(),
            accelerator: self.accelerator,
            console,
        }
    }

    /// Says why QEMU ended.
    fn ended(&self, progress: &Progress, ended: io::Result<ExitStatus>) -> QemuError {
        let said = console::last_words(self.qemu_log).map_err(|source| QemuError::File {
            action: "read",
            path: self.qemu_log.to_owned(),
            source,
        });
        let status = match ended {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        match (said, self.console()) {
            (Ok(said), Ok(console)) => {
                explain(progress.row.shown, status, said, console, self.port)
            }
            (Err(error), _) | (_, Err(error)) => error,
        }
    }
}

/// Tells the ways in which QEMU can end apart.
fn explain(
    phase: Phase,
    status: String,
    said: Option<String>,
    console: Console,
    port: Option<u16>,
) -> QemuError {
    if let Some(reason) = console.panic().map(str::to_owned) {
        return QemuError::Panicked { phase, reason, console };
    }
    if let (Some(port), Some(words)) = (port, &said)
        && words.contains("Could not set up host forwarding rule")
    {
        return QemuError::PortTaken { port };
    }
    QemuError::Exited { phase, status, said, console }
}

/// The host's wall clock, in nanoseconds since 1970-01-01 00:00 UTC.
pub fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
