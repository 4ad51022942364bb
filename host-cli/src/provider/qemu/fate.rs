//! What became of a guest whose connection broke: it is asked of the record, the console and QEMU's log,
//! all of which outlive the guest.

use super::console::{self, Console};
use super::{QemuError, QemuProvider, process};
use crate::error::Error;
use crate::instance::{Record, Stage};
use crate::provider::Fate;

/// What the init writes when it is asked to power off (`serve.rs` there).
const POWERING_OFF: &str = "netlab-init: powering off";

impl QemuProvider {
    /// Looks at what is left of the guest. `None` if there never was one.
    ///
    /// # Errors
    /// The record or a log can't be read.
    pub(super) async fn fate_of_guest(&self) -> Result<Option<Fate>, Error> {
        let (serial_log, qemu_log) = (self.paths.serial_log(), self.paths.qemu_log());
        if !serial_log.exists() {
            return Ok(None);
        }
        let failed = |source| QemuError::File { action: "read", path: serial_log.clone(), source };
        // Another netlab may have found out before us, and cleared the record.
        let runs = match Record::read(&self.paths)? {
            Some(Record { stage: Stage::Up { process, .. }, .. }) => {
                !process::is_ending(&process).await
            }
            _ => false,
        };
        let console = Console::read(&serial_log).map_err(failed)?;
        Ok(Some(if runs {
            Fate::Runs { killed: console.killed().map(str::to_owned) }
        } else if let Some(reason) = console.panic() {
            Fate::Panicked { reason: reason.to_owned(), console: console.to_string() }
        } else if console.contains(POWERING_OFF) {
            Fate::PoweredOff
        } else {
            Fate::Ended { said: console::last_words(&qemu_log).map_err(failed)? }
        }))
    }
}
