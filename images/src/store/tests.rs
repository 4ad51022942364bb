//! The cache without any package: names, locks, leftovers and errors.

use super::*;
use crate::image::RECORD_FILE;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

fn options() -> BuildOptions {
    BuildOptions { arch: Arch::Amd64, mirror: None, lock: None, bundle: None }
}

/// Hands on every event, and is cancelled when told.
struct Listener {
    events: mpsc::SyncSender<ProgressEvent>,
    cancelled: AtomicBool,
}

impl Progress for Listener {
    fn event(&self, event: ProgressEvent) {
        self.events.send(event).unwrap();
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

#[test]
fn the_folder_is_named_by_all_that_goes_in() {
    let store = Store::new(PathBuf::from("cache"));
    let image = store.image(&options(), b"init").unwrap();
    let name = format!("amd64-{}", image.key);
    assert_eq!(image.dir, Path::new("cache").join("images").join(name));
    assert_eq!(image.kernel, image.dir.join("vmlinux"));
    assert_ne!(image.key, store.image(&options(), b"another init").unwrap().key);
    let other = store.image(&BuildOptions { arch: Arch::Arm64, ..options() }, b"init").unwrap();
    assert_ne!(image.key, other.key);
    assert_eq!(other.kernel, other.dir.join("Image.gz"));
}

#[test]
fn absent_images_are_no_error_and_incomplete_ones_are() {
    let cache = tempfile::tempdir().unwrap();
    let store = Store::new(cache.path().to_owned());
    assert_eq!(store.find(&options(), b"init").unwrap(), None);
    let image = store.image(&options(), b"init").unwrap();
    fs::create_dir_all(&image.dir).unwrap();
    assert_eq!(
        store.find(&options(), b"init").unwrap_err().to_string(),
        format!("the image file `{}` cannot be read", image.dir.join(RECORD_FILE).display())
    );
}

#[test]
fn a_second_build_waits_says_so_and_can_be_interrupted() {
    let cache = tempfile::tempdir().unwrap();
    let store = Store::new(cache.path().to_owned());
    let held = store.lock(&crate::progress::Silent).unwrap();
    let (events, heard) = mpsc::sync_channel(8);
    let listener = Listener { events, cancelled: AtomicBool::new(false) };
    std::thread::scope(|scope| {
        let second = scope.spawn(|| store.build(&options(), b"init", &listener));
        assert_eq!(heard.recv().unwrap(), ProgressEvent::Waiting);
        listener.cancelled.store(true, Ordering::Relaxed);
        let error = second.join().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "interrupted while waiting for another build");
    });
    drop(held);
    store.lock(&listener).unwrap();
}

#[test]
fn what_crashed_builds_left_is_removed() {
    let cache = tempfile::tempdir().unwrap();
    let store = Store::new(cache.path().to_owned());
    fs::create_dir_all(store.images.join(".unfinished-x/sub")).unwrap();
    fs::create_dir_all(store.images.join("amd64-1")).unwrap();
    store.remove_unfinished().unwrap();
    let left: Vec<_> =
        fs::read_dir(&store.images).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["amd64-1"]);
}

#[test]
fn a_full_disk_is_told_as_such() {
    let error = file_error("write", Path::new("root"), io::ErrorKind::StorageFull.into());
    assert_eq!(error.to_string(), "the disk is full: cannot write `root`");
    let error = file_error("write", Path::new("root"), io::ErrorKind::PermissionDenied.into());
    assert_eq!(error.to_string(), "cannot write `root`");
}
