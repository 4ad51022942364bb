//! How the ways in which a start can fail are told apart.

use super::*;
use crate::error::{Exit, Hint};

fn explained(said: Option<&str>, console: &str, port: Option<u16>) -> QemuError {
    explain(
        Phase::Kernel,
        "exit status: 1".to_owned(),
        said.map(str::to_owned),
        Console::from_bytes(console.as_bytes()),
        port,
    )
}

#[test]
fn the_end_of_qemu_is_explained_by_what_it_and_the_guest_said() {
    let forwarding = "-netdev user: Could not set up host forwarding rule 'tcp:127.0.0.1:22-:22'";
    let rows = [
        (
            explained(None, "[ 1.0] Kernel panic - not syncing: No working init found.\n", None),
            "the guest's kernel panicked in phase `kernel`: No working init found.\n\
             the last lines of the guest's console:\n\
             \x20 [ 1.0] Kernel panic - not syncing: No working init found.",
        ),
        (explained(Some(forwarding), "", Some(22)), "port 22 of 127.0.0.1 is taken"),
        (
            explained(Some("cannot set up guest memory"), "", None),
            "QEMU ended in phase `kernel` (exit status: 1): cannot set up guest memory\n\
             the guest's console is empty",
        ),
        (
            explained(None, "hello\n", None),
            "QEMU ended in phase `kernel` (exit status: 1): it did not say why\n\
             the last lines of the guest's console:\n\
             \x20 hello",
        ),
    ];
    for (error, message) in rows {
        assert_eq!(error.to_string(), message);
    }
    let exited = explained(Some("kvm_init_vcpu failed"), "", None);
    assert!(exited.may_be_the_accelerators());
    let taken = explained(Some(forwarding), "", Some(22));
    assert!(!taken.may_be_the_accelerators());
    assert_eq!(taken.hint(), "leave out `--port` to get a free one, or name another");
    assert_eq!(taken.exit(), Exit::HostLacks);
}

#[test]
fn a_stall_names_the_condition_the_time_and_the_likely_cause() {
    let console = Console::from_bytes(b"SQUASHFS error: zstd decompression failed\n");
    let error = QemuError::Stalled {
        row: Row::awaiting(boot::Phase::Root),
        waited: Duration::from_secs(60),
        accelerator: Accelerator::Tcg,
        console,
    };
    assert_eq!(
        error.to_string(),
        "the guest is stuck in phase `init`: mounting the root file system did not happen within \
         60 s; likely the image's root file system is damaged\n\
         the last lines of the guest's console:\n\
         \x20 SQUASHFS error: zstd decompression failed"
    );
    assert_eq!(
        error.hint(),
        "`netlab image verify` tells whether the image is as it should be\n\
         `netlab logs serial` shows the whole console"
    );
}
