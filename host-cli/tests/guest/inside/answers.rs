//! While a lab does its worst, others get into the guest, and Ctrl-C ends the lab.

use std::ffi::OsStr;

use super::{lab, reset};
use crate::connection::interrupt;
use crate::running::read_until;
use crate::support::Netlab;

/// Steps that would go on for longer than any trial, each with its last words in common.
const RAGES: [&str; 4] = [
    "echo now; yes > /dev/null",
    "echo now; while :; do tail /dev/zero; done",
    "echo now; bomb() { bomb | bomb & }; bomb; while :; do :; done",
    "echo now; trap '' TERM INT HUP; while :; do sleep 1; done",
];

pub fn while_a_lab_rages(netlab: &Netlab) {
    for command in RAGES {
        let file = netlab.lab("fault.md", &lab("", "ns=red within=300s", command));
        let mut demo = netlab.start([OsStr::new("demo"), file.as_os_str(), OsStr::new("--reset")]);
        read_until(demo.stdout.as_mut().expect("a pipe"), "> now");
        netlab.run(["exec", "--", "true"]).exit(0);
        interrupt(&demo);
        assert_eq!(demo.wait().expect("it ends").code(), Some(130), "{command}");
        // In order: nothing of the lab is left.
        netlab.run(["exec", "--ns", "red", "--", "true"]).exit(2);
    }
    reset(netlab);
}
