//! What others in the guest have met, or was long ago, is not told as the cause of a fault.

use std::ffi::OsStr;

use super::{lab, reset, words};
use crate::running::wait_until;
use crate::support::Netlab;

/// A cgroup beside the lab's runs out of memory and of processes, and `/tmp` has no room because nothing
/// can be written there.
const OTHERS: &str = "cd /sys/fs/cgroup; mkdir other; echo 16M > other/memory.max; \
                      echo 4 > other/pids.max; \
                      sh -c 'echo 0 > other/cgroup.procs; exec tail /dev/zero'; \
                      sh -c 'echo 0 > other/cgroup.procs; for i in 1 2 3 4 5; do sleep 1 & done; wait'; \
                      mount -t squashfs -o ro /dev/vda /tmp; false";

pub fn are_no_cause(netlab: &Netlab) {
    let file = netlab.lab("fault.md", &lab("", "within=60s", OTHERS));
    let outcome = netlab.run([OsStr::new("demo"), file.as_os_str(), OsStr::new("--reset")]);
    let said = words(&outcome);
    outcome.exit(1);
    let seen = netlab.inside("cd /sys/fs/cgroup/other; cat memory.events pids.events /proc/mounts");
    for part in ["oom_kill 1", "\nmax ", "/dev/vda /tmp squashfs ro"] {
        assert!(seen.contains(part) && !seen.contains("\nmax 0\n"), "no {part:?} in {seen}");
    }
    for part in ["ran out of memory", "as many as it may have", "no space is left"] {
        assert!(!said.contains(part), "{part:?} in {said}");
    }
    reset(netlab);
}

pub fn what_was_killed_before(netlab: &Netlab) {
    netlab.inside("echo 'x: Killed process 7 (tail)' > /dev/console");
    let console = netlab.home().join("i/default/serial.log");
    wait_until("the console has it", || {
        let bytes = std::fs::read(&console).expect("a console");
        String::from_utf8_lossy(&bytes).contains("Killed process 7")
    });
    let file = netlab.lab("fault.md", &lab("", "", "kill -9 $PPID; sleep 60"));
    let outcome = netlab.run([OsStr::new("demo"), file.as_os_str()]);
    let said = words(&outcome);
    outcome.exit(5);
    assert!(said.contains("the guest itself runs on"), "{said}");
    assert!(!said.contains("Killed process 7"), "{said}");
    reset(netlab);
}
