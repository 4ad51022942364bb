//! Labs of the user's own: what a lab may do, and how its mistakes at run time are told.

use crate::Body;
use crate::support::{Netlab, Outcome};

pub const TRIALS: &[(&str, Body)] = &[
    ("a_lab_of_the_users_own_runs", a_lab_of_the_users_own_runs),
    ("a_command_that_hangs_is_killed_at_its_limit", a_command_that_hangs),
    ("a_flood_of_output_is_cut_and_does_not_stall", a_flood_of_output),
    ("invalid_utf_8_is_shown_and_harmless", invalid_utf_8),
    ("a_command_that_dies_by_a_signal_is_told_so", a_command_that_dies_by_a_signal),
    ("a_background_that_never_gets_ready_is_named", a_background_that_never_gets_ready),
    ("a_missing_command_is_told_before_the_first_step", a_missing_command),
    ("a_namespace_that_exists_is_not_touched", a_namespace_that_exists),
    ("a_failed_check_says_expected_actual_and_where_to_look", a_failed_check),
    ("a_control_that_fails_fails_the_negative_check", a_control_that_fails),
    ("a_counterfactual_without_effect_fails", a_counterfactual_without_effect),
];

/// A lab of one step: `needs` goes into its head, `body` into its step.
fn lab(needs: &str, body: &str) -> String {
    format!(
        "# A small lab\n\n```toml lab\nid = \"small\"\nsummary = \"Small\"\nminutes = 1\n\
         namespaces = [\"red\"]\n{needs}\n```\n\n## One step\n\nBecause it is there.\n\n\
         ```sh\nip netns add red\n```\n\n{body}\n"
    )
}

const ONLY_LO: &str = "```toml check\nclaim = \"red has only lo\"\nid = \"only-lo\"\nin = \"red\"\n\
                       links = [\"lo\"]\n```\n";

#[track_caller]
fn demo(netlab: &Netlab, needs: &str, body: &str) -> Outcome {
    let file = netlab.lab("small.md", &lab(needs, body));
    netlab.run([std::ffi::OsStr::new("demo"), file.as_os_str()])
}

fn a_lab_of_the_users_own_runs(netlab: &Netlab) {
    demo(netlab, "", ONLY_LO).exit(0).says(&["ip netns add red", "✓ red has only lo"]);
}

fn a_command_that_hangs(netlab: &Netlab) {
    // It ignores SIGTERM, too.
    let body = format!("```sh within=1s\ntrap '' TERM; sleep 3004\n```\n\n{ONLY_LO}");
    demo(netlab, "", &body).exit(1).says(&["sleep 3004", "did not end within its time limit"]);
    netlab.run(["reset"]).exit(0);
    netlab.run(["exec", "--", "pgrep", "-f", "sleep 3004"]).exit(1);
}

fn a_flood_of_output(netlab: &Netlab) {
    let body =
        format!("```sh within=120s\nhead -c 100000000 /dev/zero | tr '\\0' x\n```\n\n{ONLY_LO}");
    let outcome = demo(netlab, "", &body).exit(0);
    assert!(outcome.stdout.len() < 4 << 20, "{} bytes were printed", outcome.stdout.len());
    assert!(outcome.text().contains("✓ red has only lo"));
}

fn invalid_utf_8(netlab: &Netlab) {
    let body = format!("```sh\nprintf 'a\\377b\\033]0;evil\\007c\\n'\n```\n\n{ONLY_LO}");
    let outcome = demo(netlab, "", &body).exit(0).says(&["a\u{fffd}b"]);
    assert!(!outcome.stdout.contains(&0x1b), "an escape sequence came through");
    let lines = {
        let file = netlab.lab("small.md", &lab("", &body));
        netlab.run(["demo".as_ref(), file.as_os_str(), "--json".as_ref()]).exit(0).json()
    };
    assert!(lines.iter().any(|line| line["event"] == "output"), "{lines:?}");
}

fn a_command_that_dies_by_a_signal(netlab: &Netlab) {
    let body = format!("```sh\nkill -SEGV $$\n```\n\n{ONLY_LO}");
    demo(netlab, "", &body).exit(1).says(&["was killed by signal 11", "kill -SEGV $$"]);
}

fn a_background_that_never_gets_ready(netlab: &Netlab) {
    let body = format!(
        "```sh ns=red background=server ready=tcp:4000 within=1s\nsleep 3005\n```\n\n{ONLY_LO}"
    );
    demo(netlab, "", &body).exit(1).says(&["sleep 3005", "server", "listening on port 4000"]);
}

fn a_missing_command(netlab: &Netlab) {
    let outcome = demo(netlab, "needs = { commands = [\"no-such-tool\"] }", ONLY_LO);
    outcome.exit(2).complains(&["the guest has no command `no-such-tool`"]);
}

fn a_namespace_that_exists(netlab: &Netlab) {
    netlab.run(["reset"]).exit(0);
    netlab.run(["exec", "--", "ip", "netns", "add", "red"]).exit(0);
    demo(netlab, "", ONLY_LO).exit(4).complains(&["namespace `red` exists already"]);
    netlab.run(["exec", "--ns", "red", "--", "true"]).exit(0);
    netlab.run(["exec", "--", "ip", "netns", "del", "red"]).exit(0);
}

fn a_failed_check(netlab: &Netlab) {
    let body = "```toml check\nclaim = \"red has a wire\"\nin = \"red\"\n\
                link = { name = \"wire0\", state = \"up\" }\n```\n";
    demo(netlab, "", body).exit(1).says(&["✗ red has a wire", "expected", "wire0"]);
}

fn a_control_that_fails(netlab: &Netlab) {
    // The claim itself comes true, but so would any: the network that it speaks of is dead by the
    // time it is made.
    let body = "```sh ns=red\nip link set lo up\n```\n\n\
                ```toml check\nclaim = \"red reaches itself\"\nid = \"itself\"\nin = \"red\"\n\
                reach = \"127.0.0.1\"\n```\n\n```sh ns=red\nip link set lo down\n```\n\n\
                ```toml check\nclaim = \"red does not reach root\"\nin = \"red\"\n\
                reach = \"10.0.2.15\"\nnot = true\ncontrol = \"itself\"\n```\n";
    demo(netlab, "", body).exit(1).says(&["✓ red reaches itself", "✗", "red does not reach root"]);
}

fn a_counterfactual_without_effect(netlab: &Netlab) {
    let body = format!(
        "{ONLY_LO}\n### Without anything\n\n```sh\ntrue\n```\n\n```toml fails\n\
         checks = [\"only-lo\"]\n```\n\n```sh undo\ntrue\n```\n"
    );
    demo(netlab, "", &body).exit(1).says(&["✗"]);
}
