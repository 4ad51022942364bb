//! What SECURITY.md promises of a guest that is up: it finds no way out, its QEMU is in the kernel's
//! sandbox, and its keys are its owner's only, for as long as it is there.

mod keys;
mod openings;
mod strangers;

use std::fs;

use crate::Body;
use crate::leftovers::pids;
use crate::support::Netlab;

pub const TRIALS: &[(&str, Body)] = &[
    ("the_guest_reaches_neither_the_host_nor_its_network", openings::there_is_none),
    ("the_kernel_filters_what_qemu_calls", the_kernel_filters),
    ("a_private_key_is_in_no_command_and_is_gone_after_a_purge", keys::are_gone),
    ("another_account_reads_no_key_and_reaches_no_socket", strangers::on_the_disk),
    ("a_port_answers_everybody_and_lets_in_its_own_key_only", strangers::at_the_port),
];

/// Brings a guest up in a home of its own.
#[track_caller]
fn up(netlab: Netlab) -> Netlab {
    netlab.run(["up"]).exit(0);
    netlab
}

fn the_kernel_filters(netlab: &Netlab) {
    let filters = |status: &str| {
        let status = fs::read_to_string(status).ok()?;
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.expect("a line").trim().parse::<u32>().expect("a number")
        };
        Some((value("Seccomp:"), value("Seccomp_filters:")))
    };
    // What the suite itself may be held by does not count.
    let (_, outer) = filters("/proc/self/status").expect("our own status");
    let qemu = pids(netlab).into_iter().next().expect("a QEMU");
    let threads: Vec<_> = fs::read_dir(format!("/proc/{qemu}/task")).expect("threads").collect();
    assert!(threads.len() > 1, "{threads:?}");
    for thread in threads {
        let status = thread.expect("a thread").path().join("status");
        // A thread may have ended meanwhile. 2 is `SECCOMP_MODE_FILTER`.
        if let Some(found) = filters(&status.to_string_lossy()) {
            assert_eq!(found, (2, outer + 1), "{}", status.display());
        }
    }
}
