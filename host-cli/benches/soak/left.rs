//! What is left after everything was ended and removed: nothing but what a round without faults
//! leaves, and templates.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use crate::world::World;
use crate::{Outcome, process};

/// Paths below the soak's folder, as netlab made them.
pub type Files = BTreeSet<String>;

/// What should not be there.
#[derive(Default)]
pub struct Left {
    pub processes: Vec<String>,
    pub ports: Vec<u16>,
    pub files: Vec<String>,
}

/// What is left that was not so after a round without faults. A template that is finished stays; a QEMU
/// that was killed while it came up as a clone makes netlab go on to the next tier, with another one.
pub fn after(world: &World, rightful: &Files, ports: &HashSet<u16>) -> Left {
    let folders = [world.home(), world.cache().join("templates/w"), world.cache().join("trials")];
    let processes = folders.iter().flat_map(|folder| process::naming(folder));
    let files = files(world);
    Left {
        processes: processes.map(|it| format!("{} {}", it.pid, it.line)).collect(),
        ports: process::listening(ports, &world.home()),
        files: files.difference(rightful).filter(|path| !is_template(path)).cloned().collect(),
    }
}

/// All files and folders of the home, the cache and the temporary folder, but for packages and images,
/// which others use as well.
pub fn files(world: &World) -> Files {
    let mut files = Files::new();
    for folder in [world.home(), world.cache(), world.temporary()] {
        collect(&folder, world.root(), &mut files);
    }
    files
}

/// Whether a path is a finished template or in one: its folder has the name of its key.
fn is_template(path: &str) -> bool {
    let key = path.strip_prefix("c/templates/").and_then(|path| path.split('/').next());
    key.is_some_and(|key| key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn collect(folder: &Path, root: &Path, files: &mut Files) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        files.insert(path.strip_prefix(root).unwrap_or(&path).display().to_string());
        // Links lead to what is shared.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&path, root, files);
        }
    }
}

/// Has the next start make its template.
pub fn remove_templates(world: &World) -> Outcome<()> {
    let folder = world.cache().join("templates");
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}
