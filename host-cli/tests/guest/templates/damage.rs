//! A template that was tampered with.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use super::Own;
use crate::support::Netlab;

/// A file of a template, what is done to it, and the words for what is found then.
type Damage = (&'static str, fn(&Path), &'static str);

const DAMAGES: [Damage; 7] = [
    ("ram", alter, "is not what was saved"),
    ("state", alter, "is not what was saved"),
    ("ram", cut, "has another size"),
    ("ram", link, "is no plain file"),
    // Root reads whatever has a mode; nobody reads a folder.
    ("state", folder, "is no plain file"),
    ("ram", remove, "is gone"),
    ("template.json", cut, "is no record of this netlab"),
];

pub fn each_is_named(suite: &Netlab) {
    let own = Own::new(suite);
    own.up(&[]).by("clone").notes(1, &["making a template"]);
    for (name, damage, words) in DAMAGES {
        own.run(["down"]).exit(0);
        let templates = own.templates();
        assert_eq!(templates.len(), 1, "{templates:?}");
        damage(&templates[0].join(name));

        let up = own.up(&[]).by("clone");
        up.notes(1, &[name, words, "making it anew"]).notes(1, &["making a template"]);
        own.run(["exec", "--", "true"]).exit(0);
        assert_eq!(own.templates(), templates);
        assert!(own.unfinished().is_empty(), "{:?}", own.unfinished());
    }
    own.run(["down"]).exit(0);
    own.up(&[]).by("clone").notes(0, &["making"]);
}

fn alter(path: &Path) {
    let file = writable(path);
    let middle = file.metadata().expect("its size").len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], middle).expect("another byte");
}

fn cut(path: &Path) {
    let file = writable(path);
    let half = file.metadata().expect("its size").len() / 2;
    file.set_len(half).expect("half of it");
}

fn link(path: &Path) {
    let aside = path.with_extension("aside");
    fs::rename(path, &aside).expect("a new name");
    symlink(&aside, path).expect("a link");
}

fn folder(path: &Path) {
    remove(path);
    fs::create_dir(path).expect("a folder");
}

fn remove(path: &Path) {
    fs::remove_file(path).expect("it was there");
}

fn writable(path: &Path) -> fs::File {
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("permissions");
    OpenOptions::new().read(true).write(true).open(path).expect("the file")
}
