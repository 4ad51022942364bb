//! An accelerator that is missing, is not for this user, aborts or hangs, from the start or after it
//! has worked: each is told apart, and the guest comes up all the same.
//!
//! No host has them all, so QEMU is a script here. Its KVM is what a file says: one that works is the
//! real QEMU's TCG, one that hangs is a stopped process, and the others end with the words of real QEMUs
//! (7.2, 10.0 and 11.1 on Linux). What the host's own KVM does is tried as well.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Mutex, PoisonError};

use crate::Body;
use crate::faults::edited_qemu;
use crate::running::wait_until;
use crate::support::{Netlab, Outcome};

pub const TRIALS: &[(&str, Body)] = &[
    ("what_is_wrong_with_kvm_is_told_apart_and_tcg_is_used", broken_kvms),
    ("a_checkpoint_of_a_broken_kvm_is_told_to_need_it", checkpoint_of_a_broken_kvm),
    ("a_kvm_that_aborts_or_hangs_is_told_and_tcg_is_used", own_kvm),
];

const SCRIPT: &str = r#"#!/bin/bash
words=(qemu-system-x86_64)
for word in "$@"; do
    case $word in
        kvm) kvm=$(cat "${0%/*}/kvm"); word=tcg,thread=multi,tb-size=96 ;;
        host) word=qemu64,+rdrand ;;
    esac
    # QEMU before 8.1 has a race with a kernel that patches itself on two emulated processors.
    [[ ${words[-1]-} == -smp ]] && word=1
    words+=("$word")
done
failed="qemu-system-x86_64: -accel kvm: failed to initialize kvm:"
case $kvm in
    missing) echo "$failed No such file or directory" >&2; exit 1 ;;
    forbidden) echo "$failed Permission denied" >&2; exit 1 ;;
    aborts) echo "target/i386/kvm/kvm.c:3183: Assertion failed." >&2; kill -ABRT $$ ;;
    hangs) kill -STOP $$ ;;
esac
exec "${words[@]}"
"#;

/// What can be wrong with it: the word for the script, what netlab says, and what `doctor` advises.
const BROKEN: [(&str, &str, &str); 4] = [
    ("missing", "it is not there", "firmware"),
    ("forbidden", "you may not use it", "usermod -aG kvm"),
    ("aborts", "QEMU gave up", "nested"),
    ("hangs", "the guest printed nothing in 5 s", "nested"),
];

/// A netlab with such a QEMU.
struct Host {
    netlab: Netlab,
}

impl Host {
    fn new() -> Self {
        let netlab = Netlab::new();
        let qemu = netlab.lab("qemu-system-x86_64", SCRIPT);
        fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).expect("a script");
        let netlab = netlab.with("NETLAB_QEMU", &qemu.to_string_lossy());
        Self { netlab }
    }

    /// From now on, KVM is such a one.
    #[track_caller]
    fn kvm(&self, state: &str) {
        self.netlab.lab("kvm", state);
    }

    /// KVM works, and netlab knows it.
    #[track_caller]
    fn kvm_has_worked(&self) {
        self.kvm("works");
        // What stands in for it is no hardware, and slow on a busy computer.
        wait_until("a kernel boots with KVM", || {
            self.netlab.run(["doctor"]).text().contains("accelerator kvm: a kernel boots with it")
        });
    }

    /// A start, whose guest is ended again.
    #[track_caller]
    fn up(&self, tier: &[&str]) -> Outcome {
        let outcome = self.netlab.run(["up"].iter().chain(tier)).exit(0);
        self.netlab.run(["down"]).exit(0);
        outcome
    }
}

fn broken_kvms(_: &Netlab) {
    for (state, said, cure) in BROKEN {
        let row = begin(state, "from the start");
        // Some verdicts are kept, so each is one of a host of its own; that has no template.
        let host = Host::new();
        host.kvm(state);
        let first = host.up(&["--start", "cold"]);
        // Once is enough, and `doctor` knows what to do.
        assert_eq!(first.stderr.matches("using TCG").count(), 1, "{}", first.stderr);
        first.complains(&["KVM does not work here: using TCG", said, "(tcg, "]);
        host.netlab.run(["doctor"]).says(&["warning  accelerator kvm", said, cure]);
        ended(row, said);
    }
    let host = Host::new();
    for (state, said, _) in BROKEN {
        let row = begin(state, "after it worked");
        host.kvm_has_worked();
        assert!(host.up(&[]).stderr.contains("(kvm, "), "a KVM that works is used");
        host.kvm(state);
        let outcome = host.up(&[]);
        // Neither the tiers nor the templates are to blame.
        assert!(!outcome.stderr.contains("of a saved guest"), "{}", outcome.stderr);
        outcome.complains(&["KVM worked here before", "KVM does not work here", said, "(tcg, "]);
        // One failure may be an accident: it is tried once more.
        let next = host.up(&[]);
        assert!(!next.stderr.contains("worked here before"), "{}", next.stderr);
        next.complains(&["KVM does not work here", said, "(tcg, "]);
        ended(row, said);
    }
}

fn checkpoint_of_a_broken_kvm(_: &Netlab) {
    let host = Host::new();
    host.kvm_has_worked();
    host.netlab.run(["up"]).exit(0).complains(&["(kvm, "]);
    host.netlab.run(["checkpoint"]).exit(0);
    host.netlab.run(["down"]).exit(0);
    host.kvm("aborts");
    let lost = host.netlab.run(["back"]).exit(4);
    lost.complains(&["checkpoint `1`", "KVM does not work here: QEMU gave up", "`netlab up`"]);
    // It is not the checkpoint's fault.
    host.kvm_has_worked();
    host.netlab.run(["back"]).exit(0);
    host.netlab.run(["down", "--purge"]).exit(0);
}

fn own_kvm(_: &Netlab) {
    // The same CPU under KVM that QEMU itself would take by default: where KVM is broken, one of the
    // two aborts and the other hangs.
    let cpus = ["echo \"$1\";", "[ \"$1\" = host ] && echo qemu64 || echo \"$1\";"];
    for cpu in cpus {
        let netlab = Netlab::new();
        let qemu = edited_qemu(&netlab, cpu);
        let netlab = netlab.with("NETLAB_QEMU", &qemu);
        let works = netlab.run(["--accel", "kvm", "up"]).code == Some(0);
        netlab.run(["down"]).exit(0);
        let outcome = netlab.run(["up"]).exit(0);
        netlab.run(["down"]).exit(0);
        if works {
            assert!(outcome.stderr.contains("(kvm, "), "{}", outcome.stderr);
        } else {
            let notes = outcome.stderr.matches("using TCG").count();
            assert_eq!(notes, 1, "{}", outcome.stderr);
            netlab
                .run(["--accel", "kvm", "up"])
                .exit(3)
                .complains(&["KVM does not work here", "--accel tcg"]);
        }
    }
}

/// What became of one fault.
struct Row {
    fault: &'static str,
    when: &'static str,
    said: &'static str,
}

static ROWS: Mutex<Vec<Row>> = Mutex::new(Vec::new());

/// Notes down that a fault is about to happen.
fn begin(fault: &'static str, when: &'static str) -> usize {
    let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    rows.push(Row { fault, when, said: "FAILED" });
    rows.len() - 1
}

/// Notes down that the guest came up, and what netlab said.
fn ended(row: usize, said: &'static str) {
    ROWS.lock().unwrap_or_else(PoisonError::into_inner)[row].said = said;
}

/// Prints the table, unless other trials were picked.
#[expect(clippy::disallowed_macros, reason = "the table is for whoever runs the suite")]
pub fn print() {
    let rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    if rows.is_empty() {
        return;
    }
    println!("{:10} {:16} what netlab says, before it uses TCG", "KVM", "broken");
    for Row { fault, when, said } in rows.iter() {
        println!("{fault:10} {when:16} {said}");
    }
    println!();
}
