//! The end of processes that the init looks after, and of those that they started.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::error::InitError;
use crate::wait;

/// Longest time until killed processes are gone: one that the kernel holds in a call may take a
/// moment, under emulation too.
const GONE_LIMIT: Duration = Duration::from_secs(5);

/// Returns the next child that has ended and was not yet told, if there is one.
pub fn reap() -> Result<Option<WaitStatus>, InitError> {
    match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => Ok(None),
        Ok(status) => Ok(Some(status)),
        Err(cause) => Err(InitError::System { doing: "wait for a child", cause }),
    }
}

/// Kills processes and waits until they are gone.
pub fn end<'a>(processes: impl IntoIterator<Item = &'a Pid> + Clone) -> Result<(), InitError> {
    processes.clone().into_iter().try_for_each(|&process| send(process, Signal::SIGKILL))?;
    wait::until("the end of the killed processes", GONE_LIMIT, || {
        while reap()?.is_some() {}
        let left = processes.clone().into_iter().any(|process| exists(*process));
        Ok((!left).then_some(()))
    })
}

/// Kills processes with all that they started and that is still below them, and waits until all
/// are gone.
pub fn end_with_descendants(roots: &[Pid]) -> Result<(), InitError> {
    let mut doomed = BTreeSet::new();
    // Stopped first: one that runs could start another behind our back.
    loop {
        let found = descendants(&table()?, roots);
        let new: Vec<Pid> = found.difference(&doomed).copied().collect();
        if new.is_empty() {
            return end(&doomed);
        }
        new.iter().try_for_each(|&process| send(process, Signal::SIGSTOP))?;
        doomed.extend(new);
    }
}

fn send(process: Pid, signal: Signal) -> Result<(), InitError> {
    match kill(process, signal) {
        // It has ended by itself.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(cause) => Err(InitError::System { doing: "end a process", cause }),
    }
}

fn exists(process: Pid) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}

/// Returns every process with its parent.
fn table() -> Result<Vec<(Pid, Pid)>, InitError> {
    let folder = Path::new("/proc");
    let unreadable = |cause| InitError::File { doing: "list", path: folder.to_owned(), cause };
    let mut table = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        // No process, or one that has just ended, has no such file.
        let Ok(stat) = fs::read_to_string(path.join("stat")) else { continue };
        table.extend(process_and_parent(&stat));
    }
    Ok(table)
}

/// Reads the line of `/proc/PID/stat`: the number, the name in brackets, the state, the parent.
/// The name may hold anything, brackets as well.
fn process_and_parent(stat: &str) -> Option<(Pid, Pid)> {
    let (process, _) = stat.split_once(' ')?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let parent = rest.split(' ').nth(1)?;
    Some((Pid::from_raw(process.parse().ok()?), Pid::from_raw(parent.parse().ok()?)))
}

/// Returns `roots` and all processes below them.
fn descendants(table: &[(Pid, Pid)], roots: &[Pid]) -> BTreeSet<Pid> {
    let mut found: BTreeSet<Pid> = roots.iter().copied().collect();
    let mut before = 0;
    while found.len() > before {
        before = found.len();
        for (process, parent) in table {
            if found.contains(parent) {
                found.insert(*process);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(process: i32, parent: i32) -> (Pid, Pid) {
        (Pid::from_raw(process), Pid::from_raw(parent))
    }

    #[test]
    fn a_process_is_read_whatever_it_is_called() {
        assert_eq!(process_and_parent("7 (sh) S 5 7 7 0 -1"), Some(pair(7, 5)));
        assert_eq!(process_and_parent("7 (a) S 9 (b) R 5 7"), Some(pair(7, 5)));
        assert_eq!(process_and_parent("cpu  1 2 3"), None);
    }

    #[test]
    fn all_below_the_roots_are_found_in_any_order_and_nothing_else() {
        let table = [pair(9, 8), pair(2, 1), pair(8, 5), pair(5, 1), pair(6, 1), pair(7, 6)];
        let found = descendants(&table, &[Pid::from_raw(5), Pid::from_raw(6)]);
        assert_eq!(found, [5, 6, 7, 8, 9].map(Pid::from_raw).into());
    }
}
