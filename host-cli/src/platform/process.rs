//! Who a process is. A pid alone is no identity: it is given to another program once its owner
//! has ended, so it is paired with the time at which its process started.

use serde::{Deserialize, Serialize};
use sysinfo::{
    Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind,
};

/// A process that can't be mistaken for a later one with the same pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessIdentity {
    /// Its pid.
    pub pid: u32,
    /// When it started, in the system's own terms; only compared.
    pub started: String,
}

impl ProcessIdentity {
    /// Returns the identity of the process that has `pid` now, or `None` if none runs.
    pub fn of(pid: u32) -> Option<Self> {
        started(pid).map(|started| Self { pid, started })
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Kills it. Returns whether it was alive and the system took the order.
    ///
    /// # Errors
    /// What `sysinfo` says if it can't look at processes here.
    pub fn kill(&self) -> Result<bool, sysinfo::Error> {
        let mut system = System::new()?;
        refresh(&mut system, self.pid, ProcessRefreshKind::nothing());
        let process = system.process(Pid::from_u32(self.pid));
        // Looked at once more, as late as possible: the pid may have changed hands meanwhile.
        Ok(process.is_some_and(|process| self.is_alive() && process.kill()))
    }
}

/// Finds the process whose command line contains all of `texts`, each within one word of it. They
/// must be such that only the process meant has them, and not an editor or a `grep`.
///
/// # Errors
/// What `sysinfo` says if it can't look at processes here.
pub fn find_by_arguments(texts: &[&str]) -> Result<Option<ProcessIdentity>, sysinfo::Error> {
    let mut system = System::new()?;
    let with_command = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always).without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, with_command);
    let fits = |process: &&Process| {
        let words: Vec<_> = process.cmd().iter().map(|word| word.to_string_lossy()).collect();
        texts.iter().all(|text| words.iter().any(|word| word.contains(text)))
    };
    let found = system.processes().values().find(fits);
    Ok(found.and_then(|process| ProcessIdentity::of(process.pid().as_u32())))
}

/// The command lines of all processes, as they were at one moment.
#[derive(Debug, Default)]
pub struct CommandLines {
    words: Vec<String>,
}

impl CommandLines {
    /// Those of now.
    ///
    /// # Errors
    /// What `sysinfo` says if it can't look at processes here.
    pub fn now() -> Result<Self, sysinfo::Error> {
        let mut system = System::new()?;
        let with_command =
            ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always).without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, with_command);
        let words = system.processes().values().flat_map(Process::cmd);
        Ok(Self { words: words.map(|word| word.to_string_lossy().into_owned()).collect() })
    }

    /// Whether any of them has this text within one of its words.
    pub fn mention(&self, text: &str) -> bool {
        self.words.iter().any(|word| word.contains(text))
    }
}

#[cfg(test)]
impl<const N: usize> From<[&str; N]> for CommandLines {
    fn from(words: [&str; N]) -> Self {
        Self { words: words.map(str::to_owned).into() }
    }
}

fn refresh(system: &mut System, pid: u32, what: ProcessRefreshKind) {
    let pids = [Pid::from_u32(pid)];
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, what.without_tasks());
}

/// Returns when the process started, or `None` if it has ended (zombies have).
fn started(pid: u32) -> Option<String> {
    if cfg!(target_os = "linux") { started_on_linux(pid) } else { started_elsewhere(pid) }
}

/// Reads clock ticks since boot. Seconds since 1970, which libraries offer, are computed from the
/// wall clock on Linux, so they jump by one when the clock is set.
fn started_on_linux(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let ticks = start_ticks(&stat)?;
    Some(format!("{ticks} ticks in boot {}", boot.trim()))
}

/// Takes field 22 of `/proc/PID/stat` (proc(5)), unless field 3 says that the process is a zombie
/// or dead, and field 20 that it has no other thread: those of a killed process may outlive its
/// first one, and keep its ports until they are gone.
fn start_ticks(stat: &str) -> Option<&str> {
    // The second field, the program's name, may itself contain spaces and brackets.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let threads: u32 = fields.nth(16)?.parse().ok()?;
    let ticks = fields.nth(1)?;
    (!matches!(state, "Z" | "X") || threads > 1).then_some(ticks)
}

fn started_elsewhere(pid: u32) -> Option<String> {
    let mut system = System::new().ok()?;
    refresh(&mut system, pid, ProcessRefreshKind::nothing());
    let process = system.process(Pid::from_u32(pid))?;
    let dead = matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead);
    (!dead).then(|| format!("{} s since 1970", process.start_time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_ticks_are_found_behind_any_name_and_not_for_the_dead() {
        let rest = "1 9 9 0 -1 4194560 1 0 0 0 5 3 0 0 20 0 4 0 813277 1 2";
        let alone = rest.replace(" 4 0 813277", " 1 0 813277");
        for (stat, ticks) in [
            (format!("9 (qemu-system-x86) S {rest}"), Some("813277")),
            (format!("9 (a) b (c) R {rest}"), Some("813277")),
            (format!("9 (qemu) Z {rest}"), Some("813277")),
            (format!("9 (qemu) Z {alone}"), None),
            ("9 (qemu) S 1".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(start_ticks(&stat), ticks, "{stat}");
        }
    }

    #[test]
    fn a_process_is_itself_and_not_another_start_of_the_same_pid() {
        let ourselves = ProcessIdentity::of(std::process::id()).unwrap();
        assert!(ourselves.is_alive());
        let other = ProcessIdentity { started: "before".to_owned(), ..ourselves };
        assert!(!other.is_alive());
        assert!(!other.kill().unwrap());
    }

    #[test]
    fn our_own_command_line_is_among_all() {
        let ours = std::env::args().next().unwrap();
        let all = CommandLines::now().unwrap();
        assert!(all.mention(&ours));
        assert!(!all.mention("a text that only this test has, \u{1}"));
    }
}
