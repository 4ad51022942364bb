//! What in the guest may be the cause that a step failed: memory that ran out, a full file system, a
//! server that is gone. A command itself often says no more than that it was killed.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;

use netlab_protocol::Service;
use nix::errno::Errno;
use nix::libc;
use nix::sys::statvfs::statvfs;

use crate::lab::Lab;
use crate::limits::MOST_PROCESSES;
use crate::process;
use crate::switch;

/// The kernel's log, a record a read (Documentation/ABI/testing/dev-kmsg).
const KERNEL_LOG: &str = "/dev/kmsg";

/// Largest record of it, in bytes (`CONSOLE_EXT_LOG_MAX`).
const RECORD_BYTES: usize = 8 << 10;

/// Records that are looked at: a lab may have filled the log.
const MOST_RECORDS: usize = 10_000;

/// Causes of one kind that are told; a memory that is full may cost many processes.
const TOLD: usize = 3;

/// File systems that a lab may fill. In a guest of netlab's own each lies in memory.
const FILE_SYSTEMS: [&str; 4] = ["/", "/run", "/tmp", "/dev/shm"];

/// A file system with less free space than this is full, in bytes: programs write whole buffers.
const FULL_BYTES: u64 = 64 << 10;

/// Looks on from the begin of a step.
#[derive(Debug)]
pub struct Watch {
    /// The kernel's log from there on; `None` where it can't be read.
    log: Option<File>,
}

impl Watch {
    /// Begins.
    pub fn begin() -> Self {
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(KERNEL_LOG);
        let log = opened.and_then(|mut log| log.seek(SeekFrom::End(0)).map(|_| log));
        Self { log: log.ok() }
    }

    /// Returns, in words, what the step may have failed of.
    pub fn causes(self, lab: &Lab) -> Vec<String> {
        let mut causes = self.log.map(kernels_words).unwrap_or_default();
        causes.extend(full_file_systems());
        for (name, background) in &lab.backgrounds {
            // What can't be looked at is no cause.
            if let Ok(Some(end)) = background.end() {
                causes.push(format!("background `{name}` {end}"));
            }
        }
        if lab.plan.needs.services.contains(&Service::Openvswitch) {
            let is_gone = |name: &&str| matches!(process::named(&[(*name).to_owned()]), Ok(None));
            let gone = [switch::DATABASE, switch::DAEMON].into_iter().filter(is_gone);
            causes.extend(gone.map(|name| format!("Open vSwitch's `{name}` no longer runs")));
        }
        causes
    }
}

/// Returns what the kernel has said that is a cause.
fn kernels_words(mut log: File) -> Vec<String> {
    let mut killed = Vec::new();
    let mut others = BTreeSet::new();
    let mut record = vec![0; RECORD_BYTES];
    for _ in 0..MOST_RECORDS {
        let length = match log.read(&mut record) {
            Ok(0) => break,
            Ok(length) => length,
            // Records that were overwritten before they were read.
            Err(error) if error.raw_os_error() == Some(Errno::EPIPE as i32) => continue,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let record = String::from_utf8_lossy(&record[..length]);
        match kernel_line(&record).and_then(cause) {
            Some(Cause::Killed(words)) => killed.push(words),
            Some(Cause::Other(words)) => drop(others.insert(words)),
            None => {}
        }
    }
    let more = killed.len().saturating_sub(TOLD);
    killed.truncate(TOLD);
    if more > 0 {
        killed.push(format!("and {more} more processes for the same reason"));
    }
    killed.extend(others);
    killed
}

/// A cause that the kernel names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A process was killed for want of memory.
    Killed(String),
    /// Anything else.
    Other(String),
}

/// Returns the text of a record of the kernel's own; programs may write there as well, and would be
/// believed. What comes first is `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;`.
pub(crate) fn kernel_line(record: &str) -> Option<&str> {
    let (head, text) = record.split_once(';')?;
    let priority: u32 = head.split(',').next()?.parse().ok()?;
    // The facility is above the three bits of the level, and 0 is the kernel.
    (priority < 8).then(|| text.lines().next().unwrap_or_default())
}

/// Reads a line of the kernel's (`__oom_kill_process` in mm/oom_kill.c, `pids_event` in
/// kernel/cgroup/pids.c).
pub(crate) fn cause(line: &str) -> Option<Cause> {
    if line.starts_with("cgroup: fork rejected by pids controller") {
        let words =
            format!("the lab has {MOST_PROCESSES} processes, as many as it may have at once");
        return Some(Cause::Other(words));
    }
    let (why, killed) = line.split_once(": Killed process ")?;
    let (pid, rest) = killed.split_once(" (")?;
    let (name, _) = rest.rsplit_once(") total-vm")?;
    let who = if why.starts_with("Memory cgroup") { "lab" } else { "guest" };
    Some(Cause::Killed(format!(
        "the {who} ran out of memory: the kernel killed `{name}` (pid {pid})"
    )))
}

/// Returns which file systems are full, each once.
fn full_file_systems() -> Vec<String> {
    let mut seen = BTreeSet::new();
    let full = FILE_SYSTEMS.into_iter().filter(|path| {
        let Ok(about) = statvfs(*path) else { return false };
        let free = about.blocks_available() * about.fragment_size();
        let has_room = free >= FULL_BYTES && (about.files() == 0 || about.files_available() > 0);
        !has_room && about.blocks() > 0 && seen.insert(about.filesystem_id())
    });
    full.map(|path| format!("no space is left on `{path}`")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_believed_and_programs_are_not() {
        let line = "Killed process 7 (x)";
        for (record, expected) in [
            ("3,810,49,-;Killed process 7 (x)\n", Some(line)),
            ("3,810,49,-;Killed process 7 (x)\n SUBSYSTEM=cpu\n", Some(line)),
            // A program's record has the facility `user`.
            ("12,811,50,-;Killed process 7 (x)\n", None),
            ("nothing", None),
        ] {
            assert_eq!(kernel_line(record), expected, "{record:?}");
        }
    }

    #[test]
    fn a_killed_process_is_named_with_whose_memory_ran_out() {
        let rest = "total-vm:99kB, anon-rss:9kB, file-rss:0kB, shmem-rss:0kB, UID:0";
        for (line, words) in [
            (
                format!("Memory cgroup out of memory: Killed process 171 (tail) {rest}"),
                "the lab ran out of memory: the kernel killed `tail` (pid 171)",
            ),
            (
                format!("Out of memory: Killed process 9 (a) (b) {rest}"),
                "the guest ran out of memory: the kernel killed `a) (b` (pid 9)",
            ),
        ] {
            assert_eq!(cause(&line), Some(Cause::Killed(words.to_owned())));
        }
        let rejected = "cgroup: fork rejected by pids controller in /netlab-lab/command-1";
        let words = "the lab has 512 processes, as many as it may have at once";
        assert_eq!(cause(rejected), Some(Cause::Other(words.to_owned())));
        assert_eq!(cause("eth0: link becomes ready"), None);
    }
}
