//! How far the boot has come, told on the console and over the boot channel.

use std::os::fd::BorrowedFd;

use netlab_protocol::FrameError;
use netlab_protocol::boot::{Order, Phase, Report};

use crate::boot_channel::BootChannel;
use crate::error::InitError;
use crate::signals::Signals;
use crate::{clock, console};

/// The boot so far.
pub struct Progress {
    working_on: Phase,
    channel: Option<BootChannel>,
}

impl Progress {
    /// At the very beginning.
    pub fn new() -> Self {
        Self { working_on: Phase::Kernel, channel: None }
    }

    /// Opens the way to the host. Until then only the console hears.
    pub fn open_channel(&mut self) -> Result<(), InitError> {
        self.channel = Some(BootChannel::open()?);
        Ok(())
    }

    /// A phase is over.
    pub fn reached(&mut self, phase: Phase) -> Result<(), InitError> {
        let uptime_ms = clock::uptime_ms()?;
        let (name, next) = describe(phase);
        console::say(&format!("{name} after {uptime_ms} ms"));
        self.working_on = next;
        self.say(Report::Reached { phase, uptime_ms })
    }

    /// The boot can't go on: the last thing that is said before the guest powers off.
    pub fn failed(&mut self, error: &InitError) {
        let problem = format!("{error}; {}", error.hint());
        console::say(&format!("failed: {problem}"));
        let report = Report::Failed { phase: self.working_on, problem };
        if let Some(channel) = &mut self.channel
            && let Err(error) = channel.say_and_flush(report)
        {
            console::say(&format!("the host was not told: {error}"));
        }
    }

    /// Tells the host something, now or when it comes.
    pub fn say(&mut self, report: Report) -> Result<(), InitError> {
        self.channel.as_mut().map_or(Ok(()), |channel| channel.say(report))
    }

    /// Takes back what no longer holds.
    pub fn forget(&mut self, outdated: impl Fn(&Report) -> bool) {
        if let Some(channel) = &mut self.channel {
            channel.forget(outdated);
        }
    }

    /// The guest is no instance any more: it stands again where it waits for its secrets.
    pub fn back_to_secrets(&mut self) -> Result<(), InitError> {
        self.working_on = Phase::Secrets;
        self.forget(|report| match report {
            Report::Reached { phase, .. } => *phase >= Phase::Secrets,
            Report::Ready | Report::Awake | Report::ClockSet => true,
            Report::NeedSecrets | Report::Failed { .. } => false,
        });
        self.say(Report::NeedSecrets)
    }

    /// Returns the host's next order, if a whole one has come.
    pub fn next_order(&mut self) -> Result<Option<Order>, FrameError> {
        self.channel.as_mut().map_or(Ok(None), BootChannel::next_order)
    }

    /// Waits until a host comes, goes or says something, a signal comes or `other` can be read.
    pub fn wait(
        &mut self,
        signals: &Signals,
        other: Option<BorrowedFd<'_>>,
    ) -> Result<(), InitError> {
        self.channel.as_mut().map_or(Ok(()), |channel| channel.wait(signals, other))
    }
}

/// Returns what is true once a phase is reached, and the phase that comes after it.
fn describe(phase: Phase) -> (&'static str, Phase) {
    match phase {
        Phase::Kernel => ("modules loaded", Phase::Root),
        Phase::Root => ("root entered", Phase::Network),
        Phase::Network => ("network up", Phase::Secrets),
        Phase::Secrets => ("secrets in place", Phase::Ssh),
        Phase::Ssh => ("SSH server listens", Phase::Ssh),
    }
}
