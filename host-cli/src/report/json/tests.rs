//! Whole runs as golden lines: what a program reads.

use netlab_protocol::{Event as GuestEvent, Exit};
use serde_json::{Value, json};

use super::*;
use crate::report::sample::{self, Written};

fn rendered(events: &[Event]) -> String {
    let written = Written::default();
    let mut renderer = JsonRenderer::new(Box::new(written.clone()));
    for event in events {
        renderer.event(event).unwrap();
    }
    written.text()
}

fn parsed(events: &[Event]) -> Vec<Value> {
    rendered(events).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_lab_that_passes_line_by_line() {
    let text = rendered(&[sample::start(), sample::passing()].concat());
    assert_eq!(text, include_str!("../golden/passing.ndjson"), "\n{text}");
}

#[test]
fn every_line_has_a_version_and_an_event_and_the_last_is_the_result() {
    for events in [sample::passing(), sample::failing(), sample::failing_setup()] {
        let lines = parsed(&events);
        assert!(lines.iter().all(|line| line["v"] == 1 && line["event"].is_string()));
        let last = lines.last().unwrap();
        assert_eq!(last["event"], "result");
        assert_eq!(
            last["checks"],
            json!(last["passed"].as_u64().unwrap() + last["failed"].as_u64().unwrap())
        );
    }
}

#[test]
fn a_failed_command_says_what_where_and_how() {
    let lines = parsed(&sample::failing_setup());
    let failure = lines.iter().find(|line| line["event"] == "failure").unwrap();
    assert_eq!(
        *failure,
        json!({
            "v": 1, "event": "failure", "step": 0, "line": 31, "place": "red",
            "message": "`ip link set eth0-r up` in red ended with exit status 1, expected exit status 0",
            "text": "ip link set eth0-r up", "expected": "exit status 0",
            "code": 1, "signal": null, "timed_out": false,
        })
    );
}

#[test]
fn bytes_that_are_no_text_are_there_losslessly_too() {
    let line = &parsed(&[sample::output("red", None, b"caf\xe9\n")])[0];
    assert_eq!((&line["text"], &line["base64"]), (&json!("caf\u{fffd}\n"), &json!("Y2Fm6Qo=")));
    let line = &parsed(&[sample::output("red", None, "café\n".as_bytes())])[0];
    assert_eq!((&line["text"], line.get("base64")), (&json!("café\n"), None));
}

#[test]
fn the_ways_in_which_a_command_ends_are_told_apart() {
    let cases = [
        (Exit::Code(3), json!([3, null, false])),
        (Exit::Signal(9), json!([null, 9, false])),
        (Exit::TimedOut, json!([null, null, true])),
    ];
    for (exit, expected) in cases {
        let line = &parsed(&[sample::guest(GuestEvent::CommandEnded { exit, millis: 1 })])[0];
        assert_eq!(json!([line["code"], line["signal"], line["timed_out"]]), expected);
    }
}

#[test]
fn an_error_that_ends_the_run_is_a_line() {
    let (message, hint) = ("no QEMU".to_owned(), "install it".to_owned());
    let expected =
        json!({"v": 1, "event": "error", "message": "no QEMU", "hint": "install it", "exit": 3});
    assert_eq!(parsed(&[Event::Failed { message, hint, exit: 3 }]), [expected]);
}

#[test]
fn a_download_is_told_once_a_second_and_at_its_end() {
    let mut renderer = JsonRenderer::new(Box::new(Written::default()));
    let start = Instant::now();
    let mut due = |last, millis| renderer.download_due(last, start + Duration::from_millis(millis));
    let told =
        [due(false, 0), due(false, 999), due(false, 1000), due(false, 1500), due(true, 1600)];
    assert_eq!(told, [true, false, true, false, true]);
}

#[test]
fn a_group_is_told_guest_by_guest_and_whole_at_the_end() {
    let lines = parsed(&sample::group());
    let progress = json!({
        "v": 1, "event": "group_progress", "up": 0, "starting": 1, "failed": 0, "total": 3,
        "millis": 0,
    });
    let failed = json!({
        "name": "seat-02", "state": "failed", "address": null, "start": null, "millis": 6500,
        "problem": "stuck in phase `kernel`",
    });
    assert_eq!(lines[0], progress);
    assert_eq!((&lines[2]["event"], &lines[2]["problem"]), (&json!("member"), &failed["problem"]));
    let group = lines.last().unwrap();
    assert_eq!(
        (&group["event"], &group["up"], &group["total"], &group["millis"]),
        (&json!("group"), &json!(2), &json!(3), &json!(8300))
    );
    assert_eq!(group["members"][1], failed);
    assert_eq!(group["members"][2]["state"], json!("was_up"));
}

#[test]
fn no_control_character_stands_in_a_line_as_it_is() {
    let said = "\u{1b}[2J\u{7f}\u{9b}2J\n";
    let line = one_line(&said).unwrap();
    assert_eq!(line, "\"\\u001b[2J\\u007f\\u009b2J\\n\"\n");
    assert_eq!(serde_json::from_str::<String>(&line).unwrap(), said);
}
