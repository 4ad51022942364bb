//! What takes long to make, killed again and again: each next command is the one that is killed a
//! phase later, and the last one has to come to its end.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use netlab_fault::{Moment, Phase, Way};

use super::point::{Stopped, Victim};
use super::{Crash, repaired, survived};
use crate::leftovers::pids;
use crate::support::{Netlab, Outcome};
use crate::templates::{Own, cache_of};

/// A crash of netlab's at a phase, and what the next one says that it has repaired.
type Row = (Phase, &'static str);

/// The making of a template.
pub const TEMPLATE: [Row; 11] = [
    (start(Moment::Intent), HALF_MADE),
    (start(Moment::Spawned), HALF_MADE),
    (start(Moment::Recorded), HALF_MADE),
    (start(Moment::Secrets), HALF_MADE),
    (start(Moment::Started), HALF_MADE),
    (start(Moment::Connected), HALF_MADE),
    (start(Moment::Hello), HALF_MADE),
    (Phase::TemplateSettled, HALF_MADE),
    (Phase::TemplateSaved, HALF_MADE),
    (Phase::TemplateDrafted, HALF_MADE),
    (Phase::TemplatePlaced, ""),
];

const HALF_MADE: &str = "half-made template";

const fn start(moment: Moment) -> Phase {
    Phase::Start(Way::Template, moment)
}

/// The building of an image.
pub const IMAGE: [Row; 4] = [
    (Phase::ImageDownloading, ""),
    (Phase::ImageDownloaded, ""),
    (Phase::ImageWriting, "half-built image"),
    (Phase::ImageWritten, "half-built image"),
];

pub fn template(suite: &Netlab) {
    let own = Own::new(suite);
    let last = kill_each(&own, &["up"], &TEMPLATE);
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
    let phases = [start(Moment::Secrets), start(Moment::Hello), Phase::TemplateSettled];
    for phase in phases {
        let crash = Crash::of(phase, Victim::Qemu);
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

/// Kills the command at each phase, then runs it to its end.
#[track_caller]
fn kill_each(netlab: &Netlab, words: &[&str], rows: &[Row]) -> Outcome {
    let mut before: Option<Row> = None;
    let check = |before: Option<Row>, next: &Outcome| {
        let Some((phase, said)) = before else { return };
        let passed = survived(Crash::of(phase, Victim::Netlab), || repaired(next, said));
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
    kill_each(&netlab, &["image", "build"], &IMAGE);
    let left: Vec<_> = fs::read_dir(cache.join("images")).expect("images").flatten().collect();
    let left = left.iter().filter(|entry| entry.path().is_dir()).count();
    assert_eq!(left, 1, "more than the image is left");
    let path = netlab.run(["image", "path"]).exit(0).text();
    assert!(Path::new(path.trim()).join("image.json").exists());
}

/// The packages of the suite's image.
#[track_caller]
fn packages(suite: &Netlab) -> Vec<PathBuf> {
    let debs = fs::read_dir(cache_of(suite).join("debs")).expect("packages");
    debs.map(|entry| entry.expect("a package").path()).collect()
}
