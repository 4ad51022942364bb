//! What became of a guest whose connection broke: it is asked of the record, the console and QEMU's log,
//! all of which outlive the guest. The rule: they may be another guest's by then.

use std::time::Duration;

use super::console::{self, Console};
use super::{QemuError, process};
use crate::error::Error;
use crate::instance::{InstanceError, InstanceLock, InstancePaths, Patience, Record, Stage};
use crate::provider::{Fate, Seen};

/// What the init writes when it is asked to power off (`serve.rs` there).
const POWERING_OFF: &str = "netlab-init: powering off";

/// Time for another netlab that is ending the guest, or giving its place to another one, to come to the
/// end of that: a clone takes half a second, and twice that on a busy host.
const OTHERS_END_WITHIN: Duration = Duration::from_secs(2);

/// Looks at what is left of a guest of the instance. `None` if that is nothing.
///
/// # Errors
/// The record or a log can't be read.
pub(super) async fn fate(paths: &InstancePaths, seen: &Seen) -> Result<Option<Fate>, Error> {
    let patience = Patience::UpTo(OTHERS_END_WITHIN);
    // Held, so that no other guest takes its place while we look.
    let lock = match InstanceLock::of_existing(paths, patience).await {
        Ok(Some(lock)) => Some(lock),
        Ok(None) => return Ok(None),
        Err(InstanceError::Busy(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let record = Record::read(paths)?;
    if record.as_ref().is_some_and(|record| record.uuid != seen.uuid) {
        return Ok(Some(Fate::Replaced));
    }
    if lock.is_none() {
        return Ok(Some(Fate::Contended));
    }
    let (serial_log, qemu_log) = (paths.serial_log(), paths.qemu_log());
    if !serial_log.exists() {
        return Ok(None);
    }
    let failed = |source| QemuError::File { action: "read", path: serial_log.clone(), source };
    // Another netlab may have found out before us, and cleared the record.
    let runs = match record {
        Some(Record { stage: Stage::Up { process, .. }, .. }) => {
            !process::is_ending(&process).await
        }
        _ => false,
    };
    if runs {
        let since = Console::read_from(&serial_log, seen.console_bytes).map_err(failed)?;
        return Ok(Some(Fate::Runs { killed: since.killed().map(str::to_owned) }));
    }
    let console = Console::read(&serial_log).map_err(failed)?;
    Ok(Some(if let Some(reason) = console.panic() {
        Fate::Panicked { reason: reason.to_owned(), console: console.to_string() }
    } else if console.contains(POWERING_OFF) {
        Fate::PoweredOff
    } else {
        Fate::Ended { said: console::last_words(&qemu_log).map_err(failed)? }
    }))
}

#[cfg(test)]
mod tests {
    use super::super::reconcile;
    use super::*;
    use crate::instance::{Home, replace_file};
    use crate::platform::ProcessIdentity;

    const CONSOLE: &[u8] = b"[ 1.0] Out of memory: Killed process 7 (tail)\n";

    fn record(uuid: &str, stage: Stage) -> Record {
        Record { uuid: uuid.to_owned(), ..reconcile::tests::record(stage) }
    }

    fn seen(console_bytes: usize) -> Seen {
        let console_bytes = u64::try_from(console_bytes).unwrap();
        Seen { uuid: "old".to_owned(), console_bytes }
    }

    /// An instance whose guest has said [`CONSOLE`].
    fn instance(folder: &tempfile::TempDir) -> InstancePaths {
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        paths.create_folder().unwrap();
        replace_file(&paths.serial_log(), CONSOLE).unwrap();
        paths
    }

    #[tokio::test]
    async fn a_guest_that_has_the_place_of_another_is_not_taken_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let paths = instance(&folder);
        let process = ProcessIdentity::of(std::process::id()).unwrap();
        for stage in [
            Stage::Intent,
            Stage::Booting { process: process.clone() },
            Stage::Up { process, port: 9 },
        ] {
            record("new", stage).write(&paths).unwrap();
            assert_eq!(fate(&paths, &seen(0)).await.unwrap(), Some(Fate::Replaced));
        }
    }

    #[tokio::test]
    async fn a_guest_that_another_netlab_is_ending_has_not_ended_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let paths = instance(&folder);
        let at_once = Patience::UpTo(Duration::ZERO);
        let held = InstanceLock::acquire(&paths, at_once).await.unwrap();
        assert_eq!(fate(&paths, &seen(0)).await.unwrap(), Some(Fate::Contended));
        record("new", Stage::Intent).write(&paths).unwrap();
        assert_eq!(fate(&paths, &seen(0)).await.unwrap(), Some(Fate::Replaced));
        held.remove_instance().unwrap();
        assert_eq!(fate(&paths, &seen(0)).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_was_killed_before_the_guest_was_seen_is_not_told_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let paths = instance(&folder);
        let process = ProcessIdentity::of(std::process::id()).unwrap();
        record("old", Stage::Up { process, port: 9 }).write(&paths).unwrap();
        let killed = Some("Out of memory: Killed process 7 (tail)".to_owned());
        for (console_bytes, killed) in [(0, killed), (CONSOLE.len(), None)] {
            let found = fate(&paths, &seen(console_bytes)).await.unwrap();
            assert_eq!(found, Some(Fate::Runs { killed }));
        }
    }

    #[tokio::test]
    async fn a_guest_whose_record_is_cleared_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let paths = instance(&folder);
        assert_eq!(fate(&paths, &seen(0)).await.unwrap(), Some(Fate::Ended { said: None }));
    }
}
