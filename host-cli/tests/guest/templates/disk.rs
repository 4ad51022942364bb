//! A disk without room for a template.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::{Own, Up};
use crate::running::read_until;
use crate::support::{Netlab, Outcome};

/// A disk of a trial's own, in memory.
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts it, if the user may.
    pub fn mount(folder: PathBuf, mebibytes: u32) -> Option<Self> {
        // Its root is everybody's unless that is said, and netlab takes no such cache.
        let size = format!("size={mebibytes}m,mode=0700");
        let kind = Some("tmpfs");
        match mount(kind, &folder, kind, MsFlags::empty(), Some(size.as_str())) {
            Ok(()) => Some(Self { folder }),
            Err(error) => {
                let mut told = std::io::stderr();
                let _ = writeln!(told, "not tried: can't mount a small disk here: {error}");
                None
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // One that can't be unmounted is in the way of nobody but the removal of its folder.
        let _ = umount2(&self.folder, MntFlags::MNT_DETACH);
    }
}

pub fn too_small(suite: &Netlab) {
    let Some(own) = Own::on_disk(suite, 64) else { return };
    own.run(["up", "--start", "clone"]).exit(3).complains(&["MiB must be free", "cache", "try:"]);
    own.up(&[]).by("cold").notes(1, &["no clone of a saved guest", "MiB must be free"]);
    assert!(own.unfinished().is_empty(), "{:?}", own.unfinished());
}

pub fn fills(suite: &Netlab) {
    let Some(own) = Own::on_disk(suite, 820) else { return };
    let mut up = own.start(["up", "--json"]);
    let pipe = up.stdout.as_mut().expect("a pipe");
    let seen = read_until(pipe, r#""phase":"kernel","state":"started""#);
    let mut file = File::create(own.cache().join("filler")).expect("a file");
    let piece = vec![1; 1 << 20];
    let full = loop {
        if let Err(error) = file.write_all(&piece) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::StorageFull);

    let mut output = up.wait_with_output().expect("it ends");
    output.stdout = [seen.as_bytes(), &output.stdout].concat();
    let outcome = Outcome::of("up --json".to_owned(), output).exit(0);
    Up::of(&outcome).by("cold").notes(1, &["no guest could be saved"]);
    own.run(["exec", "--", "true"]).exit(0);
    assert!(own.templates().is_empty() && own.unfinished().is_empty(), "{:?}", own.unfinished());
}
