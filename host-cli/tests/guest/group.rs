//! Several guests under one name. Each trial has a home of its own.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::Body;
use crate::leftovers::pids;
use crate::running::{read_until, wait_until};
use crate::support::{Netlab, Outcome};

pub const TRIALS: &[(&str, Body)] = &[
    ("a_group_goes_by_one_name_until_nothing_is_left_of_it", a_group_goes_by_one_name),
    ("one_that_fails_is_named_and_the_others_come_up", one_that_fails_is_named),
    ("ctrl_c_ends_the_half_started_and_leaves_the_others", ctrl_c_ends_the_half_started),
];

fn a_group_goes_by_one_name(_: &Netlab) {
    let netlab = Netlab::new();
    let seats = ["seat-01", "seat-02", "seat-03"];
    netlab.run(["up", "--count", "3", "--name", "seat"]).exit(0).says(&seats);
    assert_eq!(states(&netlab), ["up", "up", "up"]);

    let script = "hostname; [ $(hostname) = seat-01 ] || exit 7";
    let ran = netlab.run_with(["exec", "--name", "seat", "--", "sh", "-c", script], b"no input");
    let text = ran.exit(7).text();
    let expected = "== seat-01\nseat-01\n== seat-02 (exit status 7)\nseat-02\n\
                    == seat-03 (exit status 7)\nseat-03\n";
    assert_eq!(text, expected);
    let blocks = netlab.run(["ssh-config", "--name", "seat"]).exit(0);
    blocks.says(&["Host netlab-seat-01\n", "Host netlab-seat-02\n", "Host netlab-seat-03\n"]);
    netlab.run(["demo", "1", "--name", "seat"]).exit(2).complains(&["a group of 3 guests"]);

    let before = pids(&netlab);
    let killed = pid_of(&netlab, "seat-02");
    kill(Pid::from_raw(killed), Signal::SIGKILL).expect("kill -9");
    wait_until("QEMU is gone", || !pids(&netlab).contains(&killed));
    netlab.run(["exec", "--name", "seat", "--", "true"]).exit(4).complains(&["`seat-02`"]);
    let lines = netlab.run(["up", "--name", "seat", "--json"]).exit(0).json();
    let group = lines.last().expect("lines");
    let came: Vec<&Value> = (0..3).map(|index| &group["members"][index]["state"]).collect();
    assert_eq!(came, ["was_up", "up", "was_up"], "{group}");
    let after = pids(&netlab);
    assert_eq!(after.iter().filter(|pid| before.contains(pid)).count(), 2);

    netlab.run(["down", "--name", "seat"]).exit(0).says(&seats);
    assert_eq!(pids(&netlab), Vec::<i32>::new());
    assert_eq!(entries(&netlab.home().join("i")), 0);
}

fn one_that_fails_is_named(_: &Netlab) {
    let netlab = Netlab::new();
    // A file where the guest's folder should be.
    let folder = netlab.home().join("i");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::File::create(folder.join("seat-02")).expect("a file");
    let outcome = netlab.run(["up", "--count", "3", "--name", "seat"]).exit(4);
    let outcome = outcome.complains(&["1 of 3 guests did not come up", "seat-02: ", "try:"]);
    outcome.says(&["seat-01", "failed", "seat-03"]);
    std::fs::remove_file(folder.join("seat-02")).expect("it goes");
    let words = ["exec", "--name", "seat", "--", "hostname"];
    assert_eq!(netlab.run(words).exit(0).text(), "== seat-01\nseat-01\n== seat-03\nseat-03\n");
    netlab.run(["down", "--name", "seat"]).exit(0);
}

fn ctrl_c_ends_the_half_started(_: &Netlab) {
    let netlab = Netlab::new();
    let mut up = netlab.start(["up", "--count", "9", "--name", "seat", "--json"]);
    read_until(up.stdout.as_mut().expect("a pipe"), "\"event\":\"member\"");
    let pid = Pid::from_raw(up.id().cast_signed());
    kill(pid, Signal::SIGINT).expect("a signal");
    let output = up.wait_with_output().expect("it ends");
    let outcome = Outcome::of("up --count 9".to_owned(), output).exit(130);
    let lines = outcome.json();
    let group = lines.iter().find(|line| line["event"] == "group").expect("a group line");
    let said = format!("{} of 9 guests are up and stay", group["up"]);
    assert!(outcome.text().contains(&said), "{}", outcome.text());
    let up = states(&netlab).iter().filter(|state| *state == "up").count();
    assert!((1..9).contains(&up), "{up}");
    assert_eq!((group["up"].as_u64(), pids(&netlab).len()), (Some(up as u64), up));
    netlab.run(["down", "--name", "seat"]).exit(0);
    assert_eq!(entries(&netlab.home().join("i")), 0);
}

/// What `status` says of each guest of the group that has a folder.
#[track_caller]
fn states(netlab: &Netlab) -> Vec<String> {
    let lines = netlab.run(["status", "--name", "seat", "--json"]).exit(0).json();
    let rows = lines[0]["data"].as_array().expect("rows").clone();
    let state = |row: &Value| if row["up"] == true { "up" } else { "down" }.to_owned();
    rows.iter().map(state).collect()
}

/// QEMU's process of a guest.
#[track_caller]
fn pid_of(netlab: &Netlab, name: &str) -> i32 {
    let record = std::fs::read(netlab.home().join("i").join(name).join("record.json"));
    let record: Value = serde_json::from_slice(&record.expect("a record")).expect("JSON");
    let pid = record["stage"]["process"]["pid"].as_i64().expect("a process");
    i32::try_from(pid).expect("a process id")
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}
