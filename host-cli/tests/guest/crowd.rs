//! Several netlabs at once: on one guest, and on a guest each. Each trial has a home of its own.

use std::collections::HashSet;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;

use serde_json::Value;

use crate::Body;
use crate::connection::{interrupt, slow_demo};
use crate::leftovers::pids;
use crate::running::{read_until, wait_until};
use crate::support::{Netlab, Outcome};

pub const TRIALS: &[(&str, Body)] = &[
    ("two_starts_of_one_name_make_one_guest", two_starts_of_one_name),
    ("a_start_that_is_killed_gives_way_to_the_one_that_waits", a_killed_start_gives_way),
    ("exec_beside_a_reset_gets_the_fresh_guest_and_its_work_is_known", exec_beside_a_reset),
    ("down_beside_a_start_ends_it_or_says_who_is_at_it", down_beside_a_start),
    ("of_two_labs_in_one_guest_the_second_is_told_of_the_first", of_two_labs_one_is_told),
    ("an_interrupted_start_leaves_no_row", an_interrupted_start_leaves_no_row),
    ("ten_guests_pass_demo_2_at_once_and_leave_nothing", ten_guests_pass_demo_2),
];

fn two_starts_of_one_name(_: &Netlab) {
    let netlab = Netlab::new();
    let ups = [netlab.start(["up", "--json"]), netlab.start(["up", "--json"])].map(|up| {
        let output = up.wait_with_output().expect("it ends");
        let lines = Outcome::of("up --json".to_owned(), output).exit(0).json();
        let ready = lines.iter().find(|line| line["event"] == "ready").expect("a ready line");
        ready["attached"].as_bool().expect("whether it attached")
    });
    assert_eq!(ups.iter().filter(|attached| **attached).count(), 1, "{ups:?}");
    assert_eq!(pids(&netlab).len(), 1);
    netlab.run(["down", "--all"]).exit(0);
}

fn a_killed_start_gives_way(_: &Netlab) {
    let netlab = Netlab::new();
    let mut first = netlab.start(["up", "--start", "cold", "--json"]);
    read_until(first.stdout.as_mut().expect("a pipe"), r#""phase":"kernel","state":"started""#);
    let mut second = netlab.start(["up", "--json"]);
    read_until(second.stdout.as_mut().expect("a pipe"), "another netlab is starting");
    first.kill().expect("kill -9");
    let left = pids(&netlab);
    first.wait().expect("it ends");
    let output = second.wait_with_output().expect("it ends");
    Outcome::of("up --json".to_owned(), output).exit(0).says(&["ended a half-started guest"]);
    let runs = pids(&netlab);
    assert_eq!(runs.len(), 1);
    assert!(!left.contains(&runs[0]), "the half-started guest lives on");
    netlab.run(["exec", "--", "true"]).exit(0);
    netlab.run(["down", "--all"]).exit(0);
}

fn exec_beside_a_reset(_: &Netlab) {
    let netlab = Netlab::new();
    netlab.run(["up"]).exit(0);
    let before = pids(&netlab);
    let mut reset = netlab.start(["reset", "--json"]);
    // From here on the old guest is gone, and the fresh one is not there yet.
    read_until(reset.stdout.as_mut().expect("a pipe"), r#""phase":"resume","state":"started""#);
    netlab.run(["exec", "--", "touch", "/root/mine"]).exit(0);
    assert!(reset.wait().expect("it ends").success());
    assert_ne!(pids(&netlab), before);
    netlab.run(["exec", "--", "ls", "/root/mine"]).exit(0);
    netlab.run(["demo", "1"]).exit(0).complains(&["you have worked in this guest"]);
    netlab.run(["down", "--all"]).exit(0);
}

fn down_beside_a_start(_: &Netlab) {
    let netlab = Netlab::new();
    let mut up = netlab.start(["up", "--start", "cold", "--json"]);
    read_until(up.stdout.as_mut().expect("a pipe"), r#""phase":"kernel","state":"started""#);
    let mut downs = [netlab.start(["down"]), netlab.start(["down"])].map(ended);
    downs.sort_by_key(|down| down.code);
    for down in downs {
        // A boot may take longer than `down` waits.
        if down.code != Some(0) {
            down.exit(4).complains(&["another netlab is starting or ending the guest", "try:"]);
        }
    }
    up.wait().expect("it ends");
    netlab.run(["down"]).exit(0);
    assert_eq!(pids(&netlab), Vec::<i32>::new());
    assert_eq!(fs::read_dir(netlab.home().join("i")).expect("a folder").count(), 0);
}

fn of_two_labs_one_is_told(_: &Netlab) {
    let netlab = Netlab::new();
    let mut first = slow_demo(&netlab);
    let who = format!("`slow`, as process {}", first.id());
    netlab.run(["demo", "1"]).exit(4).complains(&["is running a lab", &who, "--name other"]);
    let rows = netlab.run(["status", "--json"]).exit(0).json();
    let running = &rows[0]["data"][0]["running"];
    assert_eq!(
        (&running["lab"], running["pid"].as_u64()),
        (&Value::from("slow"), Some(first.id().into()))
    );
    netlab.run(["exec", "--", "true"]).exit(0);
    interrupt(&first);
    assert_eq!(first.wait().expect("it ends").code(), Some(130));
    let rows = netlab.run(["status", "--json"]).exit(0).json();
    assert_eq!(rows[0]["data"][0]["running"], Value::Null);

    let mut second = slow_demo(&netlab);
    let who = format!("is running lab `slow`, as process {}", second.id());
    netlab.run(["down", "--all"]).exit(0).complains(&[&who]);
    assert_eq!(second.wait().expect("it ends").code(), Some(5));
}

fn an_interrupted_start_leaves_no_row(_: &Netlab) {
    let netlab = Netlab::new();
    // At the agent's phase the guest is up: it stays, and that is said.
    for (phase, guests) in [("kernel", 0), ("agent", 1)] {
        let mut up = netlab.start(["up", "--start", "cold", "--json"]);
        let started = format!(r#""phase":"{phase}","state":"started""#);
        let seen = read_until(up.stdout.as_mut().expect("a pipe"), &started);
        interrupt(&up);
        let mut output = up.wait_with_output().expect("it ends");
        output.stdout = [seen.as_bytes(), &output.stdout].concat();
        let outcome = Outcome::of(format!("up, interrupted at {phase}"), output);
        let rows = netlab.run(["status", "--json"]).exit(0).json();
        assert_eq!(rows[0]["data"].as_array().expect("rows").len(), guests, "{phase}");
        if guests > 0 && outcome.code == Some(130) {
            outcome.says(&["guest `default` is up and stays; `netlab down"]);
        } else if guests == 0 {
            outcome.exit(130);
        }
    }
    netlab.run(["down", "--all"]).exit(0);
}

fn ten_guests_pass_demo_2(_: &Netlab) {
    let netlab = Netlab::new();
    let names: Vec<_> = (1..=10).map(|number| format!("seat-{number:02}")).collect();
    // Files, since nobody reads ten pipes at once.
    let said = tempfile::tempdir().expect("a folder");
    let before = Held::by(&netlab, &HashSet::new());

    let started = names.iter().map(|name| {
        let log = |kind| File::create(said.path().join(format!("{name}.{kind}"))).expect("a file");
        let mut demo = netlab.command(["--name", name, "demo", "2", "--auto"]);
        demo.stdout(log("out")).stderr(log("err")).spawn().expect("netlab starts")
    });
    for (name, mut demo) in names.iter().zip(started.collect::<Vec<_>>()) {
        let code = demo.wait().expect("it ends").code();
        let [text, errors] = ["out", "err"].map(|kind| {
            fs::read_to_string(said.path().join(format!("{name}.{kind}"))).expect("what it said")
        });
        assert_eq!(code, Some(0), "{name}:\n{text}\n{errors}");
        assert!(text.contains("red reaches blue"), "{name}:\n{text}");
    }
    let rows = netlab.run(["status", "--json"]).exit(0).json();
    let rows = rows[0]["data"].as_array().expect("rows").clone();
    let ports = rows.iter().filter_map(|row| row["address"].as_str()?.parse().ok()).collect();
    let during = Held::by(&netlab, &ports);
    assert_eq!((during.ports.len(), during.processes.len()), (10, 10), "{during:?}");

    netlab.run(["down", "--all"]).exit(0);

    wait_until("all processes have ended", || pids(&netlab).is_empty());
    let after = Held::by(&netlab, &ports);
    tell("before ten guests", &before);
    tell("with ten guests", &during);
    tell("after `down --all`", &after);
    assert_eq!(after, before);
}

/// What a home has of the computer.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    processes: Vec<i32>,
    /// Which of the ports answer.
    ports: Vec<SocketAddr>,
    files: Vec<PathBuf>,
}

impl Held {
    fn by(netlab: &Netlab, ports: &HashSet<SocketAddr>) -> Self {
        let answers = |port: &&SocketAddr| TcpStream::connect(port).is_ok();
        let mut files = Vec::new();
        collect(netlab.home(), &mut files);
        // The folder of the instances' folders stays.
        files.retain(|path| *path != netlab.home().join("i"));
        files.sort();
        let ports = ports.iter().filter(answers).copied().collect();
        Self { processes: pids(netlab), ports, files }
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        files.push(entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), files);
        }
    }
}

#[expect(clippy::disallowed_macros, reason = "the list is for whoever runs the suite")]
fn tell(when: &str, held: &Held) {
    let Held { processes, ports, files } = held;
    println!("{when}: processes {processes:?}, ports {ports:?}, {} files and folders", files.len());
}

/// What came of a command once it has ended.
#[track_caller]
fn ended(child: Child) -> Outcome {
    Outcome::of("down".to_owned(), child.wait_with_output().expect("it ends"))
}
