//! What takes long to make, killed again and again: each next command is the one that is killed a
//! phase later, and the last one has to come to its end.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use netlab_fault::{Moment, Phase, Way};

use super::point::{Stopped, Victim};
use super::{Crash, survived};
use crate::leftovers::pids;
use crate::support::{Netlab, Outcome};
use crate::templates::Own;

pub fn template(suite: &Netlab) {
    let own = Own::new(suite);
    let start = |moment| Phase::Start(Way::Template, moment);
    let half_made = [
        start(Moment::Intent),
        start(Moment::Spawned),
        start(Moment::Recorded),
        start(Moment::Secrets),
        start(Moment::Started),
        start(Moment::Connected),
        start(Moment::Hello),
        Phase::TemplateSettled,
        Phase::TemplateSaved,
        Phase::TemplateDrafted,
    ];
    let rows = half_made.map(|phase| (phase, "half-made template"));
    let last =
        kill_each(&own, &["up"], &[rows.as_slice(), &[(Phase::TemplatePlaced, "")]].concat());
    // The last one that was killed had put it in its place.
    assert!(last.stderr.contains(", clone)"), "{}", last.stderr);
    assert_eq!(own.templates().len(), 1);
    own.run(["exec", "--", "true"]).exit(0);
    // The workshop of the last one is looked into only by whoever makes a template, and by `down`.
    own.run(["down"]).exit(0);
    assert_eq!((pids(&own), own.unfinished()), (Vec::new(), Vec::new()));
}

/// With the QEMU of a template gone, the same command makes it in another form, or boots.
pub fn template_without_qemu(suite: &Netlab) {
    let phases = [
        Phase::Start(Way::Template, Moment::Secrets),
        Phase::Start(Way::Template, Moment::Hello),
        Phase::TemplateSettled,
    ];
    for phase in phases {
        let crash = Crash { phase, victim: Victim::Qemu };
        let passed = survived(crash, || {
            let own = Own::new(suite);
            let outcome = Stopped::at(phase, &own, ["up"]).kill(crash.victim, &own).exit(0);
            let said = ["no guest could be saved", "no clone of a saved guest"];
            assert!(said.iter().any(|it| outcome.stderr.contains(it)), "{}", outcome.stderr);
            own.run(["exec", "--", "true"]).exit(0);
            own.run(["down"]).exit(0);
            assert_eq!((pids(&own), own.unfinished()), (Vec::new(), Vec::new()));
            "exit 0".to_owned()
        });
        assert!(passed, "{crash:?}");
    }
}

/// Kills the command at each phase, then runs it to its end. Each row has what the next one says that it
/// has repaired.
#[track_caller]
fn kill_each(netlab: &Netlab, words: &[&str], rows: &[(Phase, &str)]) -> Outcome {
    let mut before: Option<(Phase, &str)> = None;
    let check = |before: Option<(Phase, &str)>, next: &Outcome| {
        let Some((phase, said)) = before else { return };
        let passed = survived(Crash { phase, victim: Victim::Netlab }, || {
            assert!(next.stderr.contains(said), "no {said:?} after {phase}: {}", next.stderr);
            if said.is_empty() { "nothing to repair" } else { said }.to_owned()
        });
        assert!(passed, "{phase}");
    };
    for &(phase, said) in rows {
        let next = Stopped::at(phase, netlab, words).kill(Victim::Netlab, netlab);
        check(before.replace((phase, said)), &next);
    }
    let last = netlab.run(words).exit(0);
    check(before, &last);
    last
}

/// Packages up to this size are downloaded anew: two megabytes in all.
const SMALL_BYTES: u64 = 50_000;

pub fn image(suite: &Netlab) {
    let netlab = Netlab::new();
    let cache = netlab.home().join("cache");
    let debs = cache.join("debs");
    fs::create_dir_all(&debs).expect("a folder");
    // The large packages are there; the others have to be downloaded.
    for package in packages(suite) {
        if package.metadata().expect("a package").len() > SMALL_BYTES {
            symlink(&package, debs.join(package.file_name().expect("a name"))).expect("a link");
        }
    }
    let netlab = netlab.with("NETLAB_CACHE", &cache.to_string_lossy());
    let rows = [
        (Phase::ImageDownloading, ""),
        (Phase::ImageDownloaded, ""),
        (Phase::ImageWriting, "half-built image"),
        (Phase::ImageWritten, "half-built image"),
    ];
    kill_each(&netlab, &["image", "build"], &rows);
    let left: Vec<_> = fs::read_dir(cache.join("images")).expect("images").flatten().collect();
    let left = left.iter().filter(|entry| entry.path().is_dir()).count();
    assert_eq!(left, 1, "more than the image is left");
    let path = netlab.run(["image", "path"]).exit(0).text();
    assert!(Path::new(path.trim()).join("image.json").exists());
}

/// The packages of the suite's image.
#[track_caller]
fn packages(suite: &Netlab) -> Vec<PathBuf> {
    let image = suite.run(["image", "path"]).exit(0).text();
    let cache = Path::new(image.trim()).ancestors().nth(2).expect("the suite's cache");
    let debs = fs::read_dir(cache.join("debs")).expect("packages");
    debs.map(|entry| entry.expect("a package").path()).collect()
}
