//! From a QEMU that has just been started to a listening SSH server, by a boot or from a saved guest.
//! The rule: each wait is a row of [`super::readiness`], and QEMU's end is looked for beside every
//! one of them.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use futures::future::BoxFuture;
use netlab_fault::{self as fault, Moment, Way};
use netlab_protocol::boot::{self, ENTROPY_BYTES, Order, Report, Secrets, Wake};
use rand::Rng;
use tokio::io::AsyncRead;
use tokio::time::{Instant, timeout, timeout_at};

use super::GuestKeys;
use super::channel::{BootChannel, ChannelError, unix_nanos};
use super::console::{self, Console};
use super::error::QemuError;
use super::migrate::{self, Contents};
use super::process::Guarded;
use super::qmp::{Qmp, QmpError};
use super::readiness::{self, Row};
use crate::platform::Accelerator;
use crate::report::{Event, Phase, Reporter};

/// Time for QEMU to open its sockets. It does so before it loads the guest.
const SOCKETS_WITHIN: Duration = Duration::from_secs(10);

/// Time between two tries to connect to something that isn't there yet.
const RETRY_EVERY: Duration = Duration::from_millis(1);

/// A saved guest that QEMU is to go on with.
pub struct Saved<'a> {
    /// Its state.
    pub state: Box<dyn AsyncRead + Send + Unpin + 'a>,
    /// The name of where that comes from, for errors.
    pub origin: &'a Path,
    /// What the state contains.
    pub contents: Contents,
    /// The socket that it goes through.
    pub socket: &'a Path,
    /// Whether the guest is still what was saved. It is asked before the guest gets a secret.
    pub sound: BoxFuture<'a, Result<(), QemuError>>,
    /// Who it is.
    pub who: Who,
}

/// Who a saved guest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Nobody yet: it waits for its secrets.
    Nobody,
    /// This very instance, at an earlier time.
    Itself,
}

/// A guest that is being started.
pub struct Start<'a> {
    /// When the whole start began.
    pub begun: Instant,
    /// What it is to the fault points.
    pub way: Way,
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

impl Start<'_> {
    /// Lets the guest boot, or go on from where it was saved, and waits until its SSH server
    /// listens. Returns the port on 127.0.0.1 that leads to
    /// it.
    ///
    /// # Errors
    /// [`QemuError::Exited`], [`QemuError::Panicked`], [`QemuError::PortTaken`],
    /// [`QemuError::Stalled`], [`QemuError::GaveUp`], [`QemuError::Channel`],
    /// [`QemuError::Control`], and what keeps a saved guest from being gone on with.
    pub async fn run(
        &self,
        saved: Option<Saved<'_>>,
        qemu: &mut Guarded,
    ) -> Result<u16, QemuError> {
        let first = match saved {
            None => Row::awaiting(boot::Phase::Kernel),
            Some(_) => &readiness::LOADED,
        };
        let mut progress = Progress { row: first, since: Instant::now() };
        self.reporter.emit(Event::PhaseStarted { phase: first.shown });
        let result = tokio::select! {
            // The guest's own words, still in the channel when QEMU ends, say more than its end.
            biased;
            result = self.converse(&mut progress, saved) => result,
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

    async fn converse(
        &self,
        progress: &mut Progress,
        saved: Option<Saved<'_>>,
    ) -> Result<u16, QemuError> {
        // In the order of the command line: on Windows QEMU makes a pipe, waits until it has its
        // client, and only then makes the next one, or answers (its `chardev/char-pipe.c`).
        let mut channel = self.open_channel(progress).await?;
        let mut client = self.control().await?;
        let port = client.forwarded_port().await.map_err(asking)?;
        let who = match saved {
            None => None,
            Some(saved) => {
                let who = saved.who;
                self.go_on_with(saved, &mut client, &mut channel, progress).await?;
                Some(who)
            }
        };
        drop(client);
        loop {
            let Ok(report) = timeout_at(self.deadline(progress), channel.report()).await else {
                return Err(self.stalled(progress));
            };
            match (report.map_err(|error| broken(progress, &error))?, who) {
                (Report::Reached { phase, .. }, _) => self.reached(progress, phase),
                (Report::NeedSecrets, None) => {
                    fault::reach(fault::Phase::Start(self.way, Moment::Secrets));
                    let begin = Order::Begin(Box::new(self.secrets()));
                    let sent = channel.order(&begin).await;
                    sent.map_err(|error| broken(progress, &error))?;
                }
                // It listens. What it says is heard by whoever connects: forwarding accepts a
                // connection whether or not anybody is behind it.
                (Report::Ready, None | Some(Who::Nobody)) | (Report::Awake, Some(Who::Itself)) => {
                    // The time that came with the secrets is as old as they took to arrive.
                    let set = channel.set_clock(self.reporter).await;
                    set.map_err(|error| broken(progress, &error))?;
                    return Ok(port);
                }
                // What was true when the guest was saved is told to each new host.
                (Report::NeedSecrets, Some(_))
                | (Report::Ready, Some(Who::Itself))
                | (Report::Awake, None | Some(Who::Nobody))
                | (Report::ClockSet, _) => {}
                (Report::Failed { phase, problem }, _) => {
                    let phase = Row::awaiting(phase).shown;
                    let console = self.console()?;
                    return Err(QemuError::GaveUp { phase, problem, console });
                }
            }
        }
    }

    /// Loads a saved guest, lets it run and greets it.
    async fn go_on_with(
        &self,
        saved: Saved<'_>,
        client: &mut Qmp,
        channel: &mut BootChannel,
        progress: &mut Progress,
    ) -> Result<(), QemuError> {
        let Saved { mut state, origin, contents, socket, sound, who } = saved;
        let loading = migrate::load(client, socket, contents, state.as_mut(), origin);
        match timeout_at(self.deadline(progress), loading).await {
            Ok(loaded) => loaded?,
            Err(_) => return Err(self.stalled(progress)),
        }
        self.move_to(progress, &readiness::GREETED);
        sound.await?;
        fault::reach(fault::Phase::Start(self.way, Moment::Secrets));
        let greeting = match who {
            Who::Nobody => Order::Begin(Box::new(self.secrets())),
            Who::Itself => {
                Order::Wake(Box::new(Wake { unix_nanos: unix_nanos(), entropy: entropy() }))
            }
        };
        channel.order(&greeting).await.map_err(|error| broken(progress, &error))
    }

    fn deadline(&self, progress: &Progress) -> Instant {
        progress.since + progress.row.deadline(self.accelerator)
    }

    /// Goes on to the next row, and tells when that ends a phase that the user sees.
    fn reached(&self, progress: &mut Progress, phase: boot::Phase) {
        // A saved guest tells each new host of its own boot as well.
        if phase < progress.row.awaited {
            return;
        }
        if let Some(next) = readiness::after(phase) {
            self.move_to(progress, next);
        }
    }

    fn move_to(&self, progress: &mut Progress, next: &'static Row) {
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

    /// Connects to QEMU's control channel as soon as that is there.
    async fn control(&self) -> Result<Qmp, QemuError> {
        let deadline = Instant::now() + SOCKETS_WITHIN;
        loop {
            match Qmp::of(self.control_channel, self.uuid).await {
                Err(QmpError::Connect { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(RETRY_EVERY).await;
                }
                answered => return answered.map_err(asking),
            }
        }
    }

    fn secrets(&self) -> Secrets {
        Secrets {
            hostname: self.hostname.to_owned(),
            host_key: self.keys.host_key.to_vec(),
            authorized_key: self.keys.authorized_key.clone(),
            unix_nanos: unix_nanos(),
            entropy: entropy(),
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

fn asking(source: QmpError) -> QemuError {
    QemuError::Control { doing: "can't ask the guest's QEMU who it is and for its port", source }
}

fn broken(progress: &Progress, error: &ChannelError) -> QemuError {
    QemuError::Channel { phase: progress.row.shown, problem: error.to_string() }
}

/// Fresh bytes for the generator of one guest.
fn entropy() -> Vec<u8> {
    let mut entropy = vec![0; ENTROPY_BYTES];
    rand::rng().fill_bytes(&mut entropy);
    entropy
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

#[cfg(test)]
mod tests;
