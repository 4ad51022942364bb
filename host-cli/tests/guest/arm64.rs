//! An arm64 guest beside the suite's own: the demos pass in it as they do there, and neither is taken
//! for the other.

use crate::Body;
use crate::demos::assert_nothing_failed;
use crate::support::{Netlab, Outcome};
use crate::ways::{self, DEMOS, Way};

pub const TRIALS: &[(&str, Body)] = &[
    ("the_three_demos_pass_in_it", the_three_demos_pass),
    ("it_comes_back_from_a_checkpoint", it_comes_back),
    ("what_is_of_another_architecture_is_refused", another_architecture_is_refused),
];

/// The committed lock, or the one that whoever runs the tests has resolved in its place.
fn lock() -> String {
    std::env::var("NETLAB_TEST_ARM64_LOCK").unwrap_or_else(|_| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../images/lock/arm64.toml").into()
    })
}

/// Runs a command that means the group's guest.
#[track_caller]
fn arm<const COUNT: usize>(suite: &Netlab, words: [&str; COUNT]) -> Outcome {
    suite.run(["--name", "arm", "--image-lock", &lock()].iter().chain(&words))
}

/// Starts it, unless an earlier trial has.
#[track_caller]
fn up(suite: &Netlab) {
    arm(suite, ["up", "--arch", "arm64", "--yes"]).exit(0);
    assert_eq!(arm(suite, ["exec", "--", "uname", "-m"]).exit(0).text(), "aarch64\n");
}

fn the_three_demos_pass(suite: &Netlab) {
    up(suite);
    for demo in DEMOS {
        ways::note(Way::QemuArm64, demo, || {
            assert_nothing_failed(&arm(suite, ["demo", demo, "--reset"]).exit(0));
        });
    }
    // Each of them got a fresh guest, which is of the same architecture without a word of it.
    let lines = arm(suite, ["status", "--json"]).exit(0).json();
    let row = &lines[0]["data"][0];
    assert_eq!((&row["arch"], &row["start"]), (&"arm64".into(), &"clone".into()), "{row}");
}

fn it_comes_back(suite: &Netlab) {
    up(suite);
    arm(suite, ["checkpoint", "one"]).exit(0);
    arm(suite, ["back", "one", "--arch", "amd64"])
        .exit(3)
        .complains(&["checkpoint `one` is of another architecture (arm64, now it is amd64)"]);
    arm(suite, ["back", "one"]).exit(0);
    assert_eq!(arm(suite, ["exec", "--", "uname", "-m"]).exit(0).text(), "aarch64\n");
}

fn another_architecture_is_refused(suite: &Netlab) {
    up(suite);
    let refused = ["guest `arm` is an arm64 guest, wanted is amd64"];
    arm(suite, ["up", "--arch", "amd64"]).exit(2).complains(&refused);
    arm(suite, ["demo", "1", "--reset", "--arch", "amd64"]).exit(2).complains(&refused);
    arm(suite, ["exec", "--arch", "amd64", "--", "true"]).exit(2).complains(&refused);
    arm(suite, ["image", "build", "--arch", "amd64"])
        .exit(3)
        .complains(&["is for `arm64`, wanted is `amd64`"]);
    arm(suite, ["doctor", "--arch", "arm64", "--qemu", "qemu-system-x86_64"])
        .exit(3)
        .says(&["runs amd64 guests, wanted is arm64"]);
    arm(suite, ["down", "--purge"]).exit(0);
}
