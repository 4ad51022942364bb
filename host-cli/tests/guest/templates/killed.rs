//! Netlab or QEMU killed while a template is made, at each phase.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Own, Up};
use crate::leftovers::pids;
use crate::running::{read_until, wait_until};
use crate::support::{Netlab, Outcome};

pub fn netlab(suite: &Netlab) {
    let own = Own::new(suite);
    for phase in ["kernel", "agent", "template"] {
        let mut up = own.start(["up", "--json"]);
        read_until(up.stdout.as_mut().expect("a pipe"), &started(phase));
        let qemu = the_making(&own);
        up.kill().expect("kill -9");
        up.wait().expect("it ends");
        assert_eq!(making(&own), [qemu], "its QEMU lives on");
    }
    own.up(&[]).by("clone").notes(1, &["half-made template"]);
    own.run(["exec", "--", "true"]).exit(0);
    assert!(making(&own).is_empty());
    assert_eq!(own.templates().len(), 1);
    assert!(own.unfinished().is_empty(), "{:?}", own.unfinished());
}

pub fn waited_for(suite: &Netlab) {
    let own = Own::new(suite);
    let mut maker = own.start(["up", "--json"]);
    read_until(maker.stdout.as_mut().expect("a pipe"), &started("kernel"));
    let waiting = ["a", "b"].map(|name| {
        let mut up = own.start(["--name", name, "up", "--json"]);
        let seen = read_until(up.stdout.as_mut().expect("a pipe"), "another netlab is making");
        (up, seen)
    });
    maker.kill().expect("kill -9");
    maker.wait().expect("it ends");
    let mut made = 0;
    for (up, seen) in waiting {
        let mut output = up.wait_with_output().expect("it ends");
        output.stdout = [seen.as_bytes(), &output.stdout].concat();
        let up = Up::of(&Outcome::of("up --json".to_owned(), output).exit(0)).by("clone");
        made += usize::from(up.told("making a template of this guest"));
    }
    assert_eq!((made, own.templates().len()), (1, 1));
    assert!(own.unfinished().is_empty(), "{:?}", own.unfinished());
}

pub fn qemu(suite: &Netlab) {
    // Once the guest has come up, only its saving has failed: the next tier may still work.
    let rows = [
        ("kernel", "no guest could be saved", "cold"),
        ("agent", "no clone of a saved guest", "restore"),
        ("template", "no clone of a saved guest", "restore"),
    ];
    for (phase, words, tier) in rows {
        let own = Own::new(suite);
        let mut up = own.start(["up", "--json"]);
        let seen = read_until(up.stdout.as_mut().expect("a pipe"), &started(phase));
        kill(Pid::from_raw(the_making(&own)), Signal::SIGKILL).expect("kill -9");
        let mut output = up.wait_with_output().expect("it ends");
        output.stdout = [seen.as_bytes(), &output.stdout].concat();
        let outcome = Outcome::of(format!("up --json, killed at {phase}"), output).exit(0);
        Up::of(&outcome).by(tier).notes(1, &[words]);
        own.run(["exec", "--", "true"]).exit(0);
        wait_until("QEMU is gone", || making(&own).is_empty());
        assert!(own.unfinished().is_empty(), "{:?}", own.unfinished());
    }
}

fn started(phase: &str) -> String {
    format!(r#""phase":"{phase}","state":"started""#)
}

/// The QEMU that makes a template of this home. A process that has just been started shows no
/// arguments for a moment.
fn the_making(own: &Own) -> i32 {
    wait_until("its QEMU is there", || making(own).len() == 1);
    making(own)[0]
}

/// QEMUs that make a template of this home.
fn making(own: &Own) -> Vec<i32> {
    let workshop = own.cache().join("templates/w").to_string_lossy().into_owned();
    let of_workshop = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&workshop)
    };
    pids(own).into_iter().filter(of_workshop).collect()
}
