//! The three demos, and that a claim fails once its mechanism is removed by hand.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use crate::Body;
use crate::running::read_until;
use crate::support::{Netlab, Outcome};
use crate::ways::{self, Way};

pub const TRIALS: &[(&str, Body)] = &[
    ("demo_1_passes", demo_1_passes),
    ("demo_2_passes", demo_2_passes),
    ("demo_3_passes_and_passes_again_in_the_same_guest", demo_3_passes_twice),
    ("a_tag_cleared_by_hand_fails_the_isolation_check", a_cleared_tag_fails),
    ("a_dnsmasq_killed_by_hand_fails_the_lease_step", a_killed_dnsmasq_fails),
    ("an_interface_set_down_by_hand_fails_the_ping", an_interface_down_fails),
    ("from_replays_the_earlier_steps_quietly", from_replays_quietly),
    ("a_step_that_does_not_exist_is_a_usage_error", a_step_that_does_not_exist),
    ("json_lines_end_with_a_result", json_lines_end_with_a_result),
    ("quitting_early_is_no_failure", quitting_early_is_no_failure),
    ("a_step_can_be_run_again", a_step_can_be_run_again),
];

fn demo_1_passes(netlab: &Netlab) {
    ways::note(Way::Qemu, "1", || assert_nothing_failed(&netlab.run(["demo", "1"]).exit(0)));
}

fn demo_2_passes(netlab: &Netlab) {
    ways::note(Way::Qemu, "2", || {
        let outcome = netlab.run(["demo", "2"]).exit(0).says(&["10.0.0.1", "hello from red"]);
        assert_nothing_failed(&outcome);
    });
}

fn demo_3_passes_twice(netlab: &Netlab) {
    // A guest with work of the user's own stays, so the second run meets what the first one left.
    netlab.run(["exec", "--", "true"]).exit(0);
    ways::note(Way::Qemu, "3", || {
        for _ in 0..2 {
            let outcome = netlab.run(["demo", "3"]).exit(0).says(&["10.20.30.2", "tag 100"]);
            assert_nothing_failed(&outcome);
        }
    });
}

/// Checks that no verdict came out otherwise than it should.
#[track_caller]
pub fn assert_nothing_failed(outcome: &Outcome) {
    assert!(!outcome.text().contains('✗'), "{}", outcome.text());
}

/// Steps through a demo up to the prompt before the step whose title holds `title`, runs
/// `sabotage` in the guest as a second terminal would, and lets the rest go on.
#[track_caller]
fn sabotaged(netlab: &Netlab, demo: &str, title: &str, sabotage: &str) -> Outcome {
    let shown = netlab.run(["show", demo, "--json"]).exit(0).json();
    let steps = shown[0]["data"]["steps"].as_array().expect("steps").clone();
    let mut titles = steps.iter().filter(|step| step["quiet"] == false);
    let before = titles.position(|step| step["title"].as_str().is_some_and(|t| t.contains(title)));
    let before = before.expect("a step of that title");

    let transcript = tempfile::NamedTempFile::new().expect("a file");
    let mut command = netlab.command(["demo", demo, "--step"]);
    command.stdin(Stdio::piped()).stdout(transcript.reopen().expect("a file"));
    let mut demo = command.spawn().expect("netlab starts");
    let mut keys = demo.stdin.take().expect("a pipe");
    keys.write_all("\n".repeat(before).as_bytes()).expect("a key");
    let prompts = demo.stderr.as_mut().expect("a pipe");
    read_until(prompts, &format!("step {} (", before + 1));

    netlab.run(["exec", "--", "sh", "-c", sabotage]).exit(0);
    keys.write_all(b"r").expect("a key");
    let mut output = demo.wait_with_output().expect("netlab ends");
    transcript.reopen().expect("a file").read_to_end(&mut output.stdout).expect("a transcript");
    Outcome::of(format!("demo, with `{sabotage}` before step {}", before + 1), output)
}

fn a_cleared_tag_fails(netlab: &Netlab) {
    // Both tags, so that both tenants are on one network.
    let sabotage = "ovs-vsctl clear port veth-r tag -- clear port veth-b tag -- clear port tap-r tag -- clear port tap-b tag";
    sabotaged(netlab, "3", "reach each other", sabotage).exit(1).says(&["✗", "expected"]);
}

fn a_killed_dnsmasq_fails(netlab: &Netlab) {
    let outcome = sabotaged(netlab, "3", "asks for an address", "pkill -x dnsmasq");
    outcome.exit(1).says(&["✗", "expected", "dhclient"]);
}

fn an_interface_down_fails(netlab: &Netlab) {
    let outcome = sabotaged(netlab, "2", "reach each other", "ip -n red link set eth0-r down");
    outcome.exit(1).says(&["✗", "expected"]);
    // What failed is left as it is for the learner to look at.
    netlab.run(["exec", "--ns", "red", "--", "ip", "link", "show", "eth0-r"]).exit(0);
}

fn from_replays_quietly(netlab: &Netlab) {
    // What was saved before the steps of an earlier lab goes with it.
    netlab.run(["reset"]).exit(0);
    let text = netlab.run(["demo", "2", "--from", "4"]).exit(0).text();
    let line = |number: &str| {
        let start = format!("[{number}/");
        let line = text.lines().find(|line| line.starts_with(&start));
        line.unwrap_or_else(|| panic!("no step {number} in {text}")).to_owned()
    };
    assert!(line("3").contains('✓'), "a replayed step is told in one line with its verdict");
    assert!(!line("4").contains('✓'), "a step that is shown has its verdicts below");
}

fn a_step_that_does_not_exist(netlab: &Netlab) {
    netlab.run(["demo", "1", "--from", "99"]).exit(2).complains(&["can't start from step 99"]);
}

fn json_lines_end_with_a_result(netlab: &Netlab) {
    let lines = netlab.run(["demo", "1", "--json"]).exit(0).json();
    let result = lines.last().expect("a line");
    assert_eq!(result["event"], "result");
    assert_eq!(result["failed"], 0);
    assert!(result["passed"].as_u64().expect("a count") > 10, "{result}");
}

fn quitting_early_is_no_failure(netlab: &Netlab) {
    netlab.run_with(["demo", "1", "--step"], b"\nq").exit(0).says(&["1/"]);
    assert_eq!(netlab.run(["exec", "--", "ip", "netns"]).exit(0).text(), "");
}

fn a_step_can_be_run_again(netlab: &Netlab) {
    // Steps that make things fail if they are simply run twice: "File exists".
    let text = netlab.run_with(["demo", "2", "--step"], b"\n\naq").exit(0).text();
    assert_eq!(text.matches("A cable for each").count(), 2, "{text}");
}
