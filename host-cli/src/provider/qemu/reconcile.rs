//! What a dead run left, found and cleared away before anything else is done. The rule: a process
//! is ended only if it is surely ours, by pid and start time, or by our UUID in its command line.

use super::command::CONTROL_MONITOR;
use super::error::QemuError;
use super::process;
use crate::error::Error;
use crate::instance::{InstanceError, InstanceLock, InstancePaths, Record, Stage};
use crate::platform::{self, Platform, ProcessIdentity};
use crate::report::{Event, Reporter};

/// The state of an instance after the clearing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Its guest runs.
    Up {
        /// The record.
        record: Box<Record>,
        /// QEMU's process.
        process: ProcessIdentity,
        /// The port on 127.0.0.1 that leads to SSH.
        port: u16,
    },
    /// Nothing runs.
    Down,
}

/// What to do about a record.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// Its guest is up.
    Keep { process: ProcessIdentity, port: u16 },
    /// A half-started QEMU is left.
    End(ProcessIdentity),
    /// Only files are left.
    Clear,
}

/// Decides, from the record and what runs: `alive` tells whether a recorded process still is
/// itself, `stray` is a QEMU that has the record's UUID in its command line.
fn decide(
    record: &Record,
    alive: impl Fn(&ProcessIdentity) -> bool,
    stray: Option<ProcessIdentity>,
) -> Decision {
    match &record.stage {
        Stage::Up { process, port } if alive(process) => {
            Decision::Keep { process: process.clone(), port: *port }
        }
        Stage::Booting { process } if alive(process) => Decision::End(process.clone()),
        // QEMU may have started without its pid getting as far as the record.
        Stage::Intent => stray.map_or(Decision::Clear, Decision::End),
        Stage::Up { .. } | Stage::Booting { .. } => Decision::Clear,
    }
}

/// Clears away what a dead run left, and returns the state with a line for each thing cleared.
/// The lock shows that no other netlab is starting the instance right now.
///
/// # Errors
/// [`InstanceError`] for files, [`QemuError`] for processes.
pub async fn reconcile(
    _lock: &InstanceLock,
    paths: &InstancePaths,
) -> Result<(State, Vec<String>), Error> {
    let name = paths.name();
    let record = match Record::read(paths) {
        Ok(None) => return Ok((State::Down, Vec::new())),
        Ok(Some(record)) => record,
        Err(InstanceError::Corrupt { .. } | InstanceError::TooLarge { .. }) => {
            // Without a UUID our QEMU is still known by its socket in our own folder.
            let stray = find(&paths.control_channel(Platform::HOST))?;
            let pid = stray.as_ref().map(|process| process.pid);
            finish(paths, stray).await?;
            let cleared = format!("cleared the unreadable record of guest `{name}`");
            let ended = pid.map(|pid| format!(", and ended what ran there (QEMU, pid {pid})"));
            return Ok((State::Down, vec![cleared + &ended.unwrap_or_default()]));
        }
        Err(error) => return Err(error.into()),
    };
    let stray = match record.stage {
        Stage::Intent => find(&record.uuid)?,
        Stage::Booting { .. } | Stage::Up { .. } => None,
    };
    match decide(&record, ProcessIdentity::is_alive, stray) {
        Decision::Keep { process, port } => {
            Ok((State::Up { record: Box::new(record), process, port }, Vec::new()))
        }
        Decision::End(process) => {
            let ended = finish(paths, Some(process)).await?;
            Ok((State::Down, ended.into_iter().collect()))
        }
        Decision::Clear => {
            finish(paths, None).await?;
            let note =
                format!("guest `{name}` had ended without `netlab down`: cleared its record");
            Ok((State::Down, vec![note]))
        }
    }
}

/// As [`reconcile`], and tells what was cleared.
///
/// # Errors
/// As [`reconcile`].
pub async fn settle(
    lock: &InstanceLock,
    paths: &InstancePaths,
    reporter: &Reporter,
) -> Result<State, Error> {
    let (state, notes) = reconcile(lock, paths).await?;
    for text in notes {
        reporter.emit(Event::Note { text });
    }
    Ok(state)
}

/// Finds a QEMU of ours by what only its command line has, beside an option that tells it from
/// other programs which name the same thing.
fn find(text: &str) -> Result<Option<ProcessIdentity>, QemuError> {
    Ok(platform::find_by_arguments(&[CONTROL_MONITOR, text])?)
}

/// Ends what is left of a start, and removes its files. Returns a line if something was ended.
async fn finish(
    paths: &InstancePaths,
    process: Option<ProcessIdentity>,
) -> Result<Option<String>, Error> {
    let mut note = None;
    if let Some(process) = process {
        process::end(&process, &paths.control_channel(Platform::HOST)).await?;
        let pid = process.pid;
        note = Some(format!(
            "ended a half-started guest `{}` that an earlier netlab had left (QEMU, pid {pid})",
            paths.name()
        ));
    }
    paths.clear_run()?;
    Ok(note)
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::instance::record::RECORD_VERSION;
    use crate::instance::{Home, Patience, replace_file};
    use crate::platform::{Accelerator, Architecture};
    use crate::provider::Tier;

    fn identity(pid: u32) -> ProcessIdentity {
        ProcessIdentity { pid, started: "1 ticks".to_owned() }
    }

    /// The record of a guest that has come so far.
    pub fn record(stage: Stage) -> Record {
        Record {
            version: RECORD_VERSION,
            uuid: "5c8f9d0e-0000-4000-8000-000000000000".to_owned(),
            qemu: "/usr/bin/qemu".into(),
            architecture: Architecture::X86_64,
            accelerator: Accelerator::Tcg,
            image: "a".to_owned(),
            tier: Tier::Cold,
            template: None,
            make: None,
            stage,
        }
    }

    #[test]
    fn only_what_is_surely_ours_is_kept_or_ended() {
        let up = Stage::Up { process: identity(7), port: 9 };
        let booting = Stage::Booting { process: identity(7) };
        let rows = [
            (up.clone(), true, None, Decision::Keep { process: identity(7), port: 9 }),
            (up, false, None, Decision::Clear),
            (booting.clone(), true, None, Decision::End(identity(7))),
            (booting, false, None, Decision::Clear),
            (Stage::Intent, false, Some(identity(8)), Decision::End(identity(8))),
            (Stage::Intent, false, None, Decision::Clear),
        ];
        for (stage, alive, stray, decision) in rows {
            let record = record(stage);
            assert_eq!(decide(&record, |_| alive, stray), decision, "{:?}", record.stage);
        }
    }

    #[tokio::test]
    async fn the_record_of_a_dead_guest_is_cleared_and_its_reused_pid_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        let patience = Patience::UpTo(Duration::ZERO);
        let lock = InstanceLock::acquire(&paths, patience).await.unwrap();
        // Our own pid with another start: whoever killed it would end this test.
        let stage = Stage::Up { process: identity(std::process::id()), port: 9 };
        record(stage).write(&paths).unwrap();
        let (state, notes) = reconcile(&lock, &paths).await.unwrap();
        assert_eq!(state, State::Down);
        assert_eq!(notes, ["guest `a` had ended without `netlab down`: cleared its record"]);
        assert!(!paths.record().exists());
    }

    #[tokio::test]
    async fn an_unreadable_record_does_not_need_a_human() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        let patience = Patience::UpTo(Duration::ZERO);
        let lock = InstanceLock::acquire(&paths, patience).await.unwrap();
        for unreadable in [b"{".to_vec(), vec![b' '; (1 << 20) + 1]] {
            replace_file(&paths.record(), &unreadable).unwrap();
            let (state, notes) = reconcile(&lock, &paths).await.unwrap();
            assert_eq!(state, State::Down);
            assert_eq!(notes, ["cleared the unreadable record of guest `a`"]);
            assert!(!paths.record().exists());
        }
    }
}
