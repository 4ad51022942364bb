//! Templates: what can befall them, what a guest that goes on from one must not share, and what they
//! must not hold. Each trial has a home and a cache of its own, which shares the suite's image only.

mod damage;
pub mod disk;
mod fresh;
mod killed;
pub mod secrets;
mod tiers;

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use disk::Disk;
use serde_json::Value;

use crate::Body;
use crate::support::{Netlab, Outcome};

pub const TRIALS: &[(&str, Body)] = &[
    ("each_damage_is_named_and_the_template_made_anew", damage::each_is_named),
    ("netlab_killed_while_making_gives_way_to_those_that_wait", killed::waited_for),
    ("a_disk_too_small_for_a_template_is_told", disk::too_small),
    ("a_disk_that_fills_while_it_is_made_is_survived", disk::fills),
    ("each_tier_runs_a_demo_and_says_so", tiers::each_runs_a_demo),
    ("another_qemu_gets_a_template_of_its_own", tiers::another_qemu),
    ("two_at_once_make_one_template", tiers::two_at_once),
    ("a_clone_that_never_answers_falls_to_the_next_tier", tiers::never_answers),
    ("two_clones_share_no_identity", fresh::no_identity_is_shared),
    ("a_clones_clock_is_the_hosts_and_never_goes_back", fresh::clock),
    ("a_guest_that_slept_has_the_hosts_time_with_the_next_command", fresh::sleep),
    ("no_key_is_left_in_a_template", secrets::no_key_is_left),
];

/// A home with a cache of its own. Its guests end with it, whatever came of the trial.
pub struct Own {
    netlab: Netlab,
    /// Where the cache is a disk of its own.
    disk: Option<Disk>,
}

impl Own {
    #[track_caller]
    pub fn new(suite: &Netlab) -> Self {
        let netlab = Netlab::new();
        let cache = netlab.home().join("cache");
        fs::create_dir(&cache).expect("a folder");
        Self { netlab, disk: None }.with_images_of(suite)
    }

    /// One whose cache is on a disk of so many MiB, if the user may mount one.
    #[track_caller]
    fn on_disk(suite: &Netlab, mebibytes: u32) -> Option<Self> {
        let netlab = Netlab::new();
        let cache = netlab.home().join("cache");
        fs::create_dir(&cache).expect("a folder");
        let disk = Disk::mount(cache, mebibytes)?;
        Some(Self { netlab, disk: Some(disk) }.with_images_of(suite))
    }

    #[track_caller]
    fn with_images_of(mut self, suite: &Netlab) -> Self {
        let image = suite.run(["image", "path"]).exit(0).text();
        let theirs = Path::new(image.trim()).ancestors().nth(2).expect("the suite's cache");
        let cache = self.cache();
        for folder in ["images", "debs"] {
            symlink(theirs.join(folder), cache.join(folder)).expect("a link");
        }
        // The suite's guest is up: what was found out about accelerators holds here as well.
        fs::copy(theirs.join("accel.json"), cache.join("accel.json")).expect("a copy");
        self.netlab.set("NETLAB_CACHE", &cache.to_string_lossy());
        self
    }

    fn cache(&self) -> PathBuf {
        self.netlab.home().join("cache")
    }

    /// Runs all commands with a QEMU that is this script, which calls the real one.
    #[track_caller]
    fn with_qemu(mut self, script: &str) -> Self {
        let path = self.netlab.lab("qemu-system-x86_64", script);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a script");
        self.netlab.set("NETLAB_QEMU", &path.to_string_lossy());
        self
    }

    /// Starts a guest.
    #[track_caller]
    pub fn up(&self, words: &[&str]) -> Up {
        let outcome = self.run(words.iter().chain(&["up", "--json"])).exit(0);
        Up::of(&outcome)
    }

    /// The templates that are finished.
    #[track_caller]
    pub fn templates(&self) -> Vec<PathBuf> {
        self.in_templates(|name| !name.starts_with('.') && name != "w")
    }

    /// What is left of those that were not.
    #[track_caller]
    pub fn unfinished(&self) -> Vec<PathBuf> {
        self.in_templates(|name| name.starts_with('.') || name == "w")
    }

    #[track_caller]
    fn in_templates(&self, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.cache().join("templates")).expect("the templates");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| wanted(&path.file_name().expect("a name").to_string_lossy())).collect()
    }
}

impl Deref for Own {
    type Target = Netlab;

    fn deref(&self) -> &Netlab {
        &self.netlab
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Whether it works is the trials' business; a panic here would hide theirs.
        drop(self.netlab.command(["down", "--all"]).output());
        drop(self.disk.take());
    }
}

/// What `up --json` told.
pub struct Up {
    /// The tier.
    start: String,
    notes: Vec<String>,
}

impl Up {
    #[track_caller]
    fn of(outcome: &Outcome) -> Self {
        let lines = outcome.json();
        let ready = lines.iter().find(|line| line["event"] == "ready").expect("a ready line");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let notes = lines.iter().filter(|line| line["event"] == "note");
        Self {
            start: text(&ready["start"]),
            notes: notes.map(|line| text(&line["text"])).collect(),
        }
    }

    /// Checks the tier.
    #[track_caller]
    pub fn by(self, tier: &str) -> Self {
        assert_eq!(self.start, tier, "{:?}", self.notes);
        self
    }

    /// Whether a note holds this.
    fn told(&self, part: &str) -> bool {
        self.notes.iter().any(|note| note.contains(part))
    }

    /// Checks that so many notes hold each of `parts`.
    #[track_caller]
    fn notes(self, count: usize, parts: &[&str]) -> Self {
        let holds = |note: &&String| parts.iter().all(|part| note.contains(part));
        assert_eq!(self.notes.iter().filter(holds).count(), count, "{parts:?}: {:?}", self.notes);
        self
    }
}
