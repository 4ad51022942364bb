//! End-to-end tests on one real guest: it is booted once, each trial runs the built `netlab`
//! against it, and it is ended at the last. Trials that need a guest of their own boot it
//! themselves, under another home.
//!
//! A harness of its own, since a static guest would never be dropped.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects; Clippy only sees that in `#[test]` functions"
)]

#[path = "../support/mod.rs"]
mod support;

mod accelerators;
mod arm64;
mod bundle;
mod checkpoints;
mod closed_off;
mod connection;
mod crashes;
mod crowd;
mod custom_labs;
mod demos;
mod faults;
mod fresh;
mod group;
mod inside;
mod leftovers;
mod lent;
mod running;
mod templates;
mod terminal;
mod verbs;
mod ways;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use support::Netlab;

/// What a trial is given: the home in which the suite's guest is up.
type Body = fn(&Netlab);

/// Only root can be another account.
const NEEDS_ROOT: &str = "another_account_reads_no_key_and_reaches_no_socket";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The trials share one guest, in which one lab can run at a time.
    arguments.test_threads = Some(1);

    let netlab = Arc::new(Netlab::new());
    let groups: [(&str, &[(&str, Body)]); 19] = [
        ("demos", demos::TRIALS),
        ("verbs", verbs::TRIALS),
        ("custom_labs", custom_labs::TRIALS),
        ("connection", connection::TRIALS),
        ("terminal", terminal::TRIALS),
        ("faults", faults::TRIALS),
        ("accelerators", accelerators::TRIALS),
        ("inside", inside::TRIALS),
        ("closed_off", closed_off::TRIALS),
        ("templates", templates::TRIALS),
        ("crashes", crashes::TRIALS),
        ("fresh", fresh::TRIALS),
        ("group", group::TRIALS),
        ("crowd", crowd::TRIALS),
        ("checkpoints", checkpoints::TRIALS),
        ("arm64", arm64::TRIALS),
        ("bundle", bundle::TRIALS),
        ("lent", lent::TRIALS),
        // Last: it ends the suite's guest and looks for what is left of it.
        ("leftovers", leftovers::TRIALS),
    ];
    // A netlab that was built without the programs of such a guest says so.
    let path = netlab.run(["image", "path", "--arch", "arm64"]);
    let lacks_arm64 = path.stderr.contains("built without the agent");
    let is_root = nix::unistd::geteuid().is_root();
    let mut trials = Vec::new();
    for (group, bodies) in groups {
        for &(name, body) in bodies {
            let needs_root = name == NEEDS_ROOT;
            let is_ignored = group == "arm64" && lacks_arm64 || needs_root && !is_root;
            let netlab = Arc::clone(&netlab);
            let trial = Trial::test(format!("{group}::{name}"), move || {
                body(&netlab);
                Ok(())
            });
            trials.push(trial.with_ignored_flag(is_ignored));
        }
    }
    if !arguments.list {
        netlab.run(["up", "--yes"]).exit(0);
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        netlab.run(["down", "--all"]).exit(0);
    }
    crashes::table::print();
    accelerators::print();
    inside::print();
    ways::print();
    conclusion.exit_code()
}
