//! QEMU's process: started into a guard, let go only when its record is on disk, ended gently
//! first. The rule: nothing is killed whose pid *and* start time are not the recorded ones.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Child;
use tokio::time::Instant;

use super::error::QemuError;
use super::qmp::Qmp;
use crate::platform::{self, ProcessIdentity};

/// Time for QEMU to end after `quit` before it is killed, and after that to be gone.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Time that a killed QEMU may take to give back its memory, half a second on a busy host, before it
/// counts as one that runs and does not answer.
const ENDING_WITHIN: Duration = Duration::from_secs(2);

/// Time between two looks at a process that isn't our child: no system tells of its end.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A QEMU that dies with its owner, until it is [let go](Guarded::disown).
pub struct Guarded {
    child: Child,
    disowned: bool,
}

impl Guarded {
    /// Starts QEMU in a process group of its own; what it says goes to the file `log`.
    ///
    /// # Errors
    /// [`QemuError::File`] for the log, [`QemuError::Spawn`].
    pub fn spawn(qemu: &Path, arguments: &[String], log: &Path) -> Result<Self, QemuError> {
        let failed = |source| QemuError::File { action: "write", path: log.to_owned(), source };
        let output = OpenOptions::new().create(true).write(true).truncate(true).open(log);
        let output = output.map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        #[expect(clippy::disallowed_methods, reason = "this module owns QEMU's process")]
        let mut command = std::process::Command::new(qemu);
        command.args(arguments).stdin(Stdio::null()).stdout(output).stderr(errors);
        platform::detach(&mut command);
        let child = tokio::process::Command::from(command)
            .spawn()
            .map_err(|source| QemuError::Spawn { qemu: qemu.to_owned(), source })?;
        Ok(Self { child, disowned: false })
    }

    /// Who it is; `None` if it has already ended.
    pub fn identity(&self) -> Option<ProcessIdentity> {
        self.child.id().and_then(ProcessIdentity::of)
    }

    /// Waits for it to end.
    ///
    /// # Errors
    /// What the system says.
    pub async fn exited(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Kills it and waits until it is gone.
    ///
    /// # Errors
    /// What the system says.
    pub async fn kill(mut self) -> std::io::Result<()> {
        self.child.kill().await
    }

    /// Lets it live on without us.
    pub fn disown(mut self) {
        self.disowned = true;
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if !self.disowned {
            // It fails only if the process has ended, which is what we want.
            let _ = self.child.start_kill();
        }
    }
}

/// Ends a recorded QEMU: by QMP, and if that has no effect by force. One that has ended already
/// is fine.
///
/// # Errors
/// [`QemuError::Survived`], [`QemuError::Processes`].
pub async fn end(process: &ProcessIdentity, control_channel: &str) -> Result<(), QemuError> {
    if let Ok(mut client) = Qmp::connect(control_channel).await {
        // QEMU may close the channel before it has answered: only its end counts.
        let _ = client.quit().await;
        if gone(process).await {
            return Ok(());
        }
    }
    kill(process).await
}

/// Ends a QEMU of ours that has nothing to put in order, by force. One that has ended already is
/// fine.
///
/// # Errors
/// [`QemuError::Survived`], [`QemuError::Processes`].
pub async fn kill(process: &ProcessIdentity) -> Result<(), QemuError> {
    process.kill()?;
    if gone(process).await {
        return Ok(());
    }
    Err(QemuError::Survived { pid: process.pid, waited: END_WITHIN })
}

/// Whether a QEMU that can't be talked to is gone within [`ENDING_WITHIN`].
pub async fn is_ending(process: &ProcessIdentity) -> bool {
    gone_within(process, ENDING_WITHIN).await
}

async fn gone(process: &ProcessIdentity) -> bool {
    gone_within(process, END_WITHIN).await
}

async fn gone_within(process: &ProcessIdentity, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    while process.is_alive() {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    true
}
