//! What in the guest may be the cause that a step failed: memory that ran out, a full file system, a
//! server that is gone. A command itself often says no more than that it was killed.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;

use netlab_protocol::Service;
use nix::errno::Errno;
use nix::libc;
use nix::sys::statvfs::{FsFlags, Statvfs, statvfs};

use crate::cgroup;
use crate::lab::Lab;
use crate::ledger::Machine;
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
        let mut causes = self.log.map(|log| kernels_words(log, lab.machine)).unwrap_or_default();
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
fn kernels_words(mut log: File, machine: Machine) -> Vec<String> {
    let mut killed = Vec::new();
    let mut others = BTreeSet::new();
    let mut kernel = Kernel::on(machine);
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
        match kernel_line(&record).and_then(|line| kernel.cause(line)) {
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

/// What the kernel has said so far, line by line. On a machine of the user's it speaks of other cgroups
/// as well, such as a container's: what befell those is no cause.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// Whether the last cgroup that ran out of memory is of the lab.
    is_the_labs: bool,
}

impl Kernel {
    /// The kernel of a machine. In a guest of netlab's own nearly all memory that runs out is the lab's, and
    /// the line that says whose it is may have been left out since an earlier step.
    pub(crate) fn on(machine: Machine) -> Self {
        Self { is_the_labs: machine == Machine::Own }
    }

    /// Reads its next line (`dump_oom_victim` and `__oom_kill_process` in mm/oom_kill.c, `pids_event` in
    /// kernel/cgroup/pids.c).
    pub(crate) fn cause(&mut self, line: &str) -> Option<Cause> {
        if let Some(group) = line.strip_prefix("cgroup: fork rejected by pids controller in ") {
            let words =
                format!("the lab has {MOST_PROCESSES} processes, as many as it may have at once");
            return cgroup::is_of_lab(group).then_some(Cause::Other(words));
        }
        if let Some(victim) = line.strip_prefix("oom-kill:") {
            // The kernel leaves this line out once there are more than ten in five seconds: those that
            // are killed then are taken to be of the group that was named last.
            self.is_the_labs = group_out_of_memory(victim).is_some_and(cgroup::is_of_lab);
            return None;
        }
        let (why, killed) = line.split_once(": Killed process ")?;
        let (pid, rest) = killed.split_once(" (")?;
        let (name, _) = rest.rsplit_once(") total-vm")?;
        let who = match why.starts_with("Memory cgroup") {
            true if self.is_the_labs => "lab",
            true => return None,
            false => "guest",
        };
        Some(Cause::Killed(format!(
            "the {who} ran out of memory: the kernel killed `{name}` (pid {pid})"
        )))
    }
}

/// Returns the cgroup whose memory ran out, as the line about a victim names it, unless it was the
/// machine's (`mem_cgroup_print_oom_context` in mm/memcontrol.c).
fn group_out_of_memory(victim: &str) -> Option<&str> {
    let (_, group) = victim.split_once(",oom_memcg=")?;
    group.split_once(",task_memcg=").map(|(group, _)| group)
}

/// Returns which file systems are full, each once.
fn full_file_systems() -> Vec<String> {
    let mut seen = BTreeSet::new();
    let full = FILE_SYSTEMS.into_iter().filter(|path| {
        let Ok(about) = statvfs(*path) else { return false };
        Room::of(&about).is_used_up() && seen.insert(about.filesystem_id())
    });
    full.map(|path| format!("no space is left on `{path}`")).collect()
}

/// The room on a file system.
struct Room {
    read_only: bool,
    blocks: u64,
    free_bytes: u64,
    files: u64,
    free_files: u64,
}

impl Room {
    fn of(about: &Statvfs) -> Self {
        Self {
            read_only: about.flags().contains(FsFlags::ST_RDONLY),
            blocks: about.blocks(),
            free_bytes: about.blocks_available() * about.fragment_size(),
            files: about.files(),
            free_files: about.files_available(),
        }
    }

    /// Whether nothing more can be written. One that is read-only, such as a squashfs, never has room, and
    /// some count no blocks or no files.
    fn is_used_up(&self) -> bool {
        let has_files = self.files == 0 || self.free_files > 0;
        let has_room = self.free_bytes >= FULL_BYTES && has_files;
        !self.read_only && self.blocks > 0 && !has_room
    }
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

    const VICTIM: &str = "total-vm:99kB, anon-rss:9kB, file-rss:0kB, shmem-rss:0kB, UID:0";

    /// The line about a victim, as the kernel writes it before it kills.
    fn victim(memory: &str) -> String {
        format!(
            "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0{memory},\
             task_memcg=/netlab-lab/command-1,task=tail,pid=171,uid=0"
        )
    }

    #[test]
    fn a_killed_process_is_named_with_whose_memory_ran_out() {
        let of_group = format!("Memory cgroup out of memory: Killed process 171 (tail) {VICTIM}");
        let of_guest = format!("Out of memory: Killed process 9 (a) (b) {VICTIM}");
        let lab = "the lab ran out of memory: the kernel killed `tail` (pid 171)";
        let guest = "the guest ran out of memory: the kernel killed `a) (b` (pid 9)";
        for (memory, line, words) in [
            (",oom_memcg=/netlab-lab", &of_group, Some(lab)),
            (",oom_memcg=/lxc/pi/netlab-lab/command-1", &of_group, Some(lab)),
            // A container on a machine of the user's.
            (",oom_memcg=/system.slice/docker-1f.scope", &of_group, None),
            (",oom_memcg=/netlab-laboratory", &of_group, None),
            (",global_oom", &of_guest, Some(guest)),
            ("", &of_group, None),
        ] {
            let mut kernel = Kernel::on(Machine::Lent);
            assert_eq!(kernel.cause(&victim(memory)), None);
            let expected = words.map(|words| Cause::Killed(words.to_owned()));
            assert_eq!(kernel.cause(line), expected, "{memory}");
            // Left out before the next one, since there are so many.
            assert_eq!(kernel.cause(line), expected, "{memory}");
        }
        assert_eq!(Kernel::on(Machine::Lent).cause(&of_group), None);
        let expected = Some(Cause::Killed(lab.to_owned()));
        assert_eq!(Kernel::on(Machine::Own).cause(&of_group), expected);
    }

    #[test]
    fn a_fork_that_was_rejected_is_a_cause_if_it_was_the_labs() {
        let cause = |group: &str| {
            Kernel::on(Machine::Lent)
                .cause(&format!("cgroup: fork rejected by pids controller in {group}"))
        };
        let words = "the lab has 512 processes, as many as it may have at once";
        for group in ["/netlab-lab", "/netlab-lab/command-1"] {
            assert_eq!(cause(group), Some(Cause::Other(words.to_owned())));
        }
        assert_eq!(cause("/user.slice/user-1000.slice"), None);
        assert_eq!(Kernel::on(Machine::Lent).cause("eth0: link becomes ready"), None);
    }

    #[test]
    fn a_file_system_is_full_if_it_could_be_written_to() {
        let full = || Room { read_only: false, blocks: 9, free_bytes: 0, files: 9, free_files: 9 };
        for (room, is_used_up) in [
            (full(), true),
            (Room { read_only: true, ..full() }, false),
            (Room { blocks: 0, ..full() }, false),
            (Room { free_bytes: FULL_BYTES, ..full() }, false),
            (Room { free_bytes: FULL_BYTES, free_files: 0, ..full() }, true),
            (Room { free_bytes: FULL_BYTES, files: 0, free_files: 0, ..full() }, false),
        ] {
            assert_eq!(room.is_used_up(), is_used_up);
        }
    }
}
