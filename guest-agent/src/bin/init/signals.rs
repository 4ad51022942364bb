//! The signals that process 1 cares about, as a file to poll: children that ended, and requests
//! to power off.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::reboot::set_cad_enabled;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::InitError;

/// Blocked signals, waiting to be read.
pub struct Signals {
    mask: SigSet,
    file: SignalFd,
}

impl Signals {
    /// Blocks the signals, and asks the kernel for a signal instead of a reset at ctrl-alt-del.
    pub fn block() -> Result<Self, InitError> {
        let failed = |cause| InitError::System { doing: "catch signals", cause };
        let mask = SigSet::from_iter([Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT]);
        mask.thread_block().map_err(failed)?;
        set_cad_enabled(false).map_err(failed)?;
        let file = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .map_err(failed)?;
        Ok(Self { mask, file })
    }

    /// Runs `start`, which starts a child, with nothing blocked: a child inherits the mask. A
    /// child that ends meanwhile makes no signal, so the caller reaps afterwards.
    pub fn unblocked<T>(&self, start: impl FnOnce() -> T) -> Result<T, InitError> {
        let failed = |cause| InitError::System { doing: "unblock signals", cause };
        self.mask.thread_unblock().map_err(failed)?;
        let started = start();
        self.mask.thread_block().map_err(failed)?;
        Ok(started)
    }

    /// Reads what has come in so far and returns whether somebody wants the guest to power off.
    /// That a child ended needs no telling: the caller reaps after each wait.
    pub fn power_off_wanted(&self) -> Result<bool, InitError> {
        let mut wanted = false;
        let failed = |cause| InitError::System { doing: "read signals", cause };
        while let Some(signal) = self.file.read_signal().map_err(failed)? {
            // SIGTERM, or SIGINT for ctrl-alt-del.
            wanted |= signal.ssi_signo != Signal::SIGCHLD as u32;
        }
        Ok(wanted)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
