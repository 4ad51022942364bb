//! Verdicts from outcomes that were recorded on real hosts, and their file.

use super::*;

fn outcome(ended: Option<&str>, said: &str, console: &str) -> Outcome {
    Outcome {
        ended: ended.map(str::to_owned),
        said: (!said.is_empty()).then(|| said.to_owned()),
        console: Console::from_bytes(console.as_bytes()),
        seconds: 5,
    }
}

#[test]
fn each_way_to_fail_is_told_from_the_others() {
    let aborted = Some("signal: 6 (SIGABRT) (core dumped)");
    let exited = Some("exit status: 1");
    let rows = [
        (
            outcome(
                aborted,
                "../../target/i386/kvm/kvm.c:3183: kvm_buf_set_msrs: Assertion failed.",
                "",
            ),
            "QEMU gave up: ../../target/i386/kvm/kvm.c:3183: kvm_buf_set_msrs: Assertion failed.",
        ),
        (outcome(None, "", ""), "the guest printed nothing in 5 s"),
        (
            outcome(None, "", "[    0.0] Linux version 6.12\n[    0.1] Calibrating\n"),
            "the guest got no further than `[    0.1] Calibrating` in 5 s",
        ),
        (
            outcome(exited, "Could not access KVM kernel module: Permission denied", ""),
            "you may not use it: Could not access KVM kernel module: Permission denied",
        ),
        (
            outcome(exited, "Could not access KVM kernel module: No such file or directory", ""),
            "it is not there: Could not access KVM kernel module: No such file or directory",
        ),
        (
            outcome(exited, "-accel hvf: invalid accelerator hvf", ""),
            "it is not there: -accel hvf: invalid accelerator hvf",
        ),
        (
            outcome(exited, "Could not load library WinHvPlatform.dll.", ""),
            "it is not there: Could not load library WinHvPlatform.dll.",
        ),
        (outcome(aborted, "", ""), "QEMU gave up: signal: 6 (SIGABRT) (core dumped)"),
        (
            outcome(Some("exit status: 0"), "", "Kernel panic - not syncing: no timer\n"),
            "the guest's kernel panicked: no timer",
        ),
    ];
    for (outcome, words) in rows {
        let Verdict::Fails { problem } = outcome.verdict() else { panic!("it works: {words}") };
        assert_eq!(problem.to_string(), words);
    }
}

#[test]
fn what_is_missing_is_cured_where_it_is_missing() {
    use Accelerator::{Hvf, Kvm, Tcg, Whpx};
    let missing = Problem::Missing { said: String::new() };
    let denied = Problem::NoPermission { said: String::new() };
    for (accelerator, there, allowed) in [
        (Kvm, "in the firmware and the host system", "usermod -aG kvm"),
        (Tcg, "in the firmware and the host system", "usermod -aG kvm"),
        (Hvf, "Homebrew's", "`com.apple.security.hypervisor`"),
        (Whpx, "-FeatureName HypervisorPlatform`", "administrator"),
    ] {
        assert!(missing.cure(accelerator).contains(there), "{accelerator}");
        assert!(denied.cure(accelerator).contains(allowed), "{accelerator}");
    }
}

#[test]
fn a_kernel_that_started_its_init_proves_that_it_works() {
    // The init finds no disk in a trial, so what comes after the line doesn't count.
    let console = "[    1.2] Run /init as init process\n[    1.3] Kernel panic - not syncing: x\n";
    assert_eq!(outcome(Some("exit status: 0"), "", console).verdict(), Verdict::Works);
}

#[test]
fn hvf_and_whpx_need_a_newer_qemu_for_arm() {
    use Accelerator::{Hvf, Whpx};
    let problem = |accelerator, guest, version| known_problem(accelerator, guest, guest, version);
    for (accelerator, old, new, message) in [
        (Hvf, Version(8, 2, 0), Version(8, 2, 1), "it needs QEMU 8.2.1 or newer"),
        (Whpx, Version(10, 2, 3), Version(11, 0, 0), "it needs QEMU 11.0.0 or newer"),
    ] {
        let needed = problem(accelerator, Architecture::Aarch64, old).unwrap();
        assert_eq!(needed.to_string(), message);
        assert_eq!(problem(accelerator, Architecture::Aarch64, new), None);
        assert_eq!(problem(accelerator, Architecture::X86_64, Version(7, 2, 0)), None);
    }
}

#[test]
fn hardware_runs_only_its_own_instructions() {
    use Architecture::{Aarch64, X86_64};
    let problem = |accelerator, host, guest| {
        known_problem(accelerator, host, guest, Version(10, 0, 2)).map(|it| it.to_string())
    };
    let refused = Some("it can't run arm64 guests on this computer".to_owned());
    assert_eq!(problem(Accelerator::Kvm, X86_64, Aarch64), refused);
    assert_eq!(problem(Accelerator::Kvm, Aarch64, Aarch64), None);
    assert_eq!(problem(Accelerator::Tcg, X86_64, Aarch64), None);
}

#[test]
fn a_missing_permission_is_tried_again_and_a_hang_is_not() {
    let hung = Verdict::Fails { problem: Problem::Hung { seconds: 5 } };
    let denied = Verdict::Fails { problem: Problem::NoPermission { said: "EACCES".to_owned() } };
    let lasting = [Verdict::Works, hung, denied].map(|verdict| verdict.is_lasting());
    assert_eq!(lasting, [true, true, false]);
}
