//! A bundle: used where there is no network, and refused where something is wrong with it. Each trial
//! has a home and a cache of its own, empty at first.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

use crate::Body;
use crate::demos::assert_nothing_failed;
use crate::support::{Netlab, Outcome};
use crate::templates::disk::Disk;

pub const TRIALS: &[(&str, Body)] = &[
    ("demos_run_from_it_without_a_network", demos_run_without_a_network),
    ("a_damaged_one_is_told_and_leaves_nothing", damaged),
    ("a_disk_too_small_for_it_is_told_and_leaves_nothing", disk_too_small),
];

const LAB: &str = "# A small lab\n\n```toml lab\nid = \"small\"\nsummary = \"Small\"\nminutes = 1\n\
                   namespaces = [\"red\"]\n```\n\n## One step\n\nBecause.\n\n```sh\nip netns add red\n\
                   ```\n\n```toml check\nclaim = \"red has only lo\"\nid = \"only-lo\"\nin = \"red\"\n\
                   links = [\"lo\"]\n```\n";

/// The bundle of the trials, written by the first of them from the suite's cache.
#[track_caller]
fn bundle(suite: &Netlab) -> PathBuf {
    let path = suite.home().join("suite.bundle");
    if !path.exists() {
        let lab = suite.lab("small.md", LAB);
        let words = ["bundle".as_ref(), path.as_os_str(), "--lab".as_ref(), lab.as_os_str()];
        suite.run(words).exit(0).says(&["MB, for ", "small", "SHA-256 "]);
        let bytes = fs::metadata(&path).expect("the bundle").len();
        assert!(bytes < 200_000_000, "{bytes} bytes");
    }
    path
}

/// An empty home with an empty cache.
struct Own(Netlab);

impl Own {
    #[track_caller]
    fn new() -> Self {
        let netlab = Netlab::new();
        let cache = netlab.home().join("cache");
        fs::create_dir(&cache).expect("a folder");
        Self(netlab.with("NETLAB_CACHE", &cache.to_string_lossy()))
    }

    #[track_caller]
    fn build(&self, bundle: &Path) -> Outcome {
        let words = ["image".as_ref(), "build".as_ref(), "--bundle".as_ref(), bundle.as_os_str()];
        self.0.run(words)
    }

    /// Checks that neither a package nor an image is in the cache, nor the beginning of one.
    #[track_caller]
    fn has_nothing(&self) {
        for folder in ["debs", "images"] {
            let entries = fs::read_dir(self.0.home().join("cache").join(folder));
            let names = entries.into_iter().flatten().map(|entry| entry.expect("one").file_name());
            let names: Vec<_> = names.filter(|name| name != ".lock").collect();
            assert!(names.is_empty(), "{names:?}");
        }
    }
}

/// Leaves this thread, and what it starts, no network but the loopback, if the user may.
#[expect(clippy::disallowed_methods, reason = "the tests own what they start")]
fn without_network() -> bool {
    let cut = unshare(CloneFlags::CLONE_NEWNET).map_err(std::io::Error::from);
    let up = cut.and_then(|()| Command::new("ip").args(["link", "set", "lo", "up"]).status());
    let is_cut = up.as_ref().is_ok_and(|status| status.success());
    if !is_cut {
        let _ = writeln!(std::io::stderr(), "not tried: can't cut the network off here: {up:?}");
    }
    is_cut
}

fn demos_run_without_a_network(suite: &Netlab) {
    let bundle = bundle(suite);
    let bundle = bundle.to_str().expect("a path of ours");
    let trial = || {
        if !without_network() {
            return;
        }
        let own = Own::new();
        // The control: without the bundle there is nothing to make the image of.
        own.0.run(["image", "build"]).exit(3);
        assert_nothing_failed(&own.0.run(["demo", "2", "--bundle", bundle]).exit(0));
        own.0.run(["demo", "small", "--bundle", bundle]).exit(0).says(&["✓ red has only lo"]);
        own.0.run(["show", "other", "--bundle", bundle]).exit(2).complains(&["has `small`"]);
        // The image is there now, and needs no bundle.
        own.0.run(["reset"]).exit(0);
    };
    std::thread::scope(|scope| {
        if let Err(panic) = scope.spawn(trial).join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn damaged(suite: &Netlab) {
    let good = fs::read(bundle(suite)).expect("the bundle");
    let own = Own::new();
    let path = own.0.home().join("bad.bundle");
    let mut altered = good.clone();
    altered[good.len() / 2] ^= 1;
    for (bytes, told) in [
        (&good[..good.len() / 2], "is cut short"),
        (&altered, "has been altered, in `debs/"),
        (LAB.as_bytes(), "is no bundle"),
    ] {
        File::create(&path).and_then(|mut file| file.write_all(bytes)).expect("a file");
        own.build(&path).exit(3).complains(&["bad.bundle", told, "try:"]);
        own.has_nothing();
    }
}

fn disk_too_small(suite: &Netlab) {
    let bundle = bundle(suite);
    let own = Own::new();
    let Some(_disk) = Disk::mount(own.0.home().join("cache"), 40) else { return };
    own.build(&bundle).exit(3).complains(&["the disk is full", "try: free some space"]);
    own.has_nothing();
}
