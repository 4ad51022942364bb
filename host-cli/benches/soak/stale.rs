//! Soaks that were killed and could not end what they had started.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::tally::line;
use crate::{Outcome, call, process};

/// How the names of the folders begin, in the folder for temporary files.
pub const PREFIX: &str = "soak";

/// In a soak's folder: locked for as long as it runs, however it ends.
const LOCK: &str = "netlab-soak.lock";

/// How long what is killed may take to be gone, and how often it is looked for.
const GONE_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Marks a folder as that of this soak, until what is returned is dropped.
pub fn claim(folder: &Path) -> Outcome<File> {
    // Locked before it has its name: another soak takes no folder for a dead one's meanwhile.
    let begun = folder.join("lock.new");
    let file = File::create(&begun)?;
    file.lock()?;
    fs::rename(begun, folder.join(LOCK))?;
    Ok(file)
}

/// Ends what names the folders of soaks that run no more, and removes those. A folder without a lock is
/// none of them.
pub fn sweep() -> Outcome<()> {
    for entry in fs::read_dir(tempfile::env::temp_dir())?.flatten() {
        let folder = entry.path();
        let is_soaks = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let Some(lock) = is_soaks.then(|| File::open(folder.join(LOCK)).ok()).flatten() else {
            continue;
        };
        match lock.try_lock() {
            Ok(()) => {
                let ended = end(&folder);
                if !process::naming(&folder).is_empty() {
                    line(&format!("{}: what a killed soak left does not end", folder.display()));
                    continue;
                }
                fs::remove_dir_all(&folder)?;
                line(&format!("{}: a soak was killed, {ended} processes ended", folder.display()));
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Kills every process that names a soak's folder, until there is none; says how many those were.
pub fn end(folder: &Path) -> usize {
    let (begun, mut ended) = (Instant::now(), HashSet::new());
    while begun.elapsed() < GONE_WITHIN {
        let processes = process::naming(folder);
        if processes.is_empty() {
            break;
        }
        for process in processes {
            // One that has ended by itself meanwhile needs no signal.
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
            ended.insert(process.pid);
        }
        call::rest(LOOK_EVERY);
    }
    ended.len()
}
