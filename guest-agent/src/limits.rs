//! How much of the guest a lab may take, so that what it does wrong is the lab's end and not the
//! guest's: limits of its cgroup, and an agent that the kernel does not kill for want of memory.
//!
//! Labs can do without: where the kernel has no such limits the journal says so, and the lab runs.

use std::ffi::{CStr, OsStr};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::sysinfo::sysinfo;
use nix::unistd::write;

use crate::cgroup::Cgroup;
use crate::error::Error;
use crate::journal;
use crate::ledger::Machine;

/// Processes and threads that a lab may have at once. The demos have thirty; an emulated guest ends
/// five hundred of them within a second or two, where two thousand took more than five.
pub const MOST_PROCESSES: u32 = 512;

/// Where a process says how willingly the kernel kills it for want of memory (proc(5)).
const OOM_SCORE: &CStr = c"/proc/self/oom_score_adj";

/// Not at all.
const NEVER_KILLED: &str = "-1000";

/// As willingly as any other.
const AS_ANY_OTHER: &[u8] = b"0";

/// Limits what the lab in a cgroup may have at once.
pub fn set(cgroup: &Cgroup, machine: Machine) {
    let delegated = match machine {
        Machine::Own => cgroup.delegate("+memory +pids"),
        // Whoever owns it has decided what its groups may limit.
        Machine::Lent => Ok(()),
    };
    match delegated.and_then(|()| limit(cgroup)) {
        Ok(missing) if missing.is_empty() => {}
        Ok(missing) => {
            let missing = missing.join(" and ");
            journal::note(&format!("the lab runs without {missing}: this kernel has none here"));
        }
        Err(error) => journal::note(&format!("the lab runs without limits: {error}")),
    }
}

/// Sets the limits and returns those that this kernel does not have for this cgroup.
fn limit(cgroup: &Cgroup) -> Result<Vec<&'static str>, Error> {
    let mut missing = Vec::new();
    for (file, most) in [("pids.max", MOST_PROCESSES.into()), ("memory.max", most_memory()?)] {
        if !cgroup.limit(file, most)? {
            missing.push(file);
        }
    }
    Ok(missing)
}

/// The memory that a lab may have, in bytes: three quarters. Files that it writes into a file system in
/// memory count, and those are at most half.
fn most_memory() -> Result<u64, Error> {
    let system = |source: nix::Error| Error::System {
        doing: "ask for the size of the memory",
        source: source.into(),
    };
    Ok(sysinfo().map_err(system)?.ram_total() / 4 * 3)
}

/// Has the kernel kill anything else first for want of memory, and what the agent starts for itself,
/// such as the switch. A lab's commands [give that up](run_as_any_other).
pub fn protect_agent() {
    let path = Path::new(OsStr::from_bytes(OOM_SCORE.to_bytes()));
    let opened = OpenOptions::new().write(true).open(path);
    if let Err(error) = opened.and_then(|mut file| file.write_all(NEVER_KILLED.as_bytes())) {
        journal::note(&format!(
            "the agent is not protected: {}",
            Error::file("write", path)(error)
        ));
    }
}

/// Makes a process that was forked from the agent one that may be killed. It only makes system calls,
/// as what comes between fork and exec has to.
pub fn run_as_any_other() {
    // A lab may have taken `/proc` away; its next command runs all the same.
    if let Ok(file) = open(OOM_SCORE, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()) {
        let _ = write(file, AS_ANY_OTHER);
    }
}
