//! The ways to start a guest: each by itself, beside each other, and one that does not work.

use std::fs;

use super::{Own, Up};
use crate::support::{Netlab, Outcome};

pub fn each_runs_a_demo(suite: &Netlab) {
    let own = Own::new(suite);
    for tier in ["clone", "restore", "cold"] {
        own.up(&["--start", tier]).by(tier);
        own.run(["demo", "1"]).exit(0);
        own.run(["down"]).exit(0);
    }
}

pub fn another_qemu(suite: &Netlab) {
    let own = Own::new(suite);
    own.up(&[]).by("clone");
    own.run(["down"]).exit(0);
    let own = own.with_qemu("#!/bin/sh\nexec qemu-system-x86_64 \"$@\"\n");
    own.up(&[]).by("clone").notes(1, &["making a template"]);
    own.run(["down"]).exit(0);
    assert_eq!(own.templates().len(), 2);
    own.up(&[]).by("clone").notes(0, &["making"]);
}

pub fn two_at_once(suite: &Netlab) {
    let own = Own::new(suite);
    let children = ["a", "b"].map(|name| own.start(["--name", name, "up", "--json"]));
    let ups = children.map(|child| {
        let output = child.wait_with_output().expect("it ends");
        Up::of(&Outcome::of("up --json".to_owned(), output).exit(0)).by("clone")
    });
    let with = |part: &str| ups.iter().filter(|up| up.told(part)).count();
    assert_eq!(with("making a template of this guest"), 1);
    assert_eq!(with("another netlab"), 1);
    assert_eq!(own.templates().len(), 1);
    for name in ["a", "b"] {
        own.run(["--name", name, "exec", "--", "true"]).exit(0);
    }
}

pub fn never_answers(suite: &Netlab) {
    // Only a clone has both a saved guest coming in and its memory in a file.
    let script = "#!/bin/bash\ncase \"$*\" in *mem-path=*-incoming*|*-incoming*mem-path=*)\n\
                  echo >> \"$0.tried\"; exec sleep 600 ;; esac\n\
                  exec qemu-system-x86_64 \"$@\"\n";
    let own = Own::new(suite).with_qemu(script);
    let tried = || {
        let text = fs::read_to_string(own.home().join("qemu-system-x86_64.tried"));
        text.expect("it was tried").lines().count()
    };
    own.up(&[]).by("restore").notes(1, &["no clone of a saved guest"]);
    own.run(["exec", "--", "true"]).exit(0);
    own.run(["down"]).exit(0);
    // Once may be an accident: it is tried again, and then it is a verdict.
    assert_eq!(tried(), 1);
    own.up(&[]).by("restore").notes(1, &["no clone of a saved guest"]);
    own.run(["down"]).exit(0);
    assert_eq!(tried(), 2);
    let verdicts = fs::read_to_string(own.cache().join("tiers.json")).expect("the verdicts");
    assert!(verdicts.contains("\"fails\""), "{verdicts}");

    // The verdict holds, until somebody asks for the tier.
    own.up(&[]).by("restore").notes(1, &["no clone of a saved guest"]);
    own.run(["down"]).exit(0);
    assert_eq!(tried(), 2);
    own.run(["up", "--start", "clone"]).exit(3).complains(&["clone", "try:"]);
    assert_eq!(tried(), 3);
    own.run(["down", "--all"]).exit(0).says(&["nothing was up"]);
}
