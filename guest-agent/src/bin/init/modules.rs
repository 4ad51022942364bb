//! Loads the kernel modules of the initramfs, in the order that its list gives.

use std::fs::{self, File};
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

use crate::error::InitError;

/// Folder of the initramfs that holds the modules and `order`, which has one file name a line.
pub const FOLDER: &str = "/modules";

/// Loads every module that the list names.
pub fn load_all() -> Result<(), InitError> {
    let order = Path::new(FOLDER).join("order");
    let names = fs::read_to_string(&order).map_err(|cause| InitError::File {
        doing: "read",
        path: order,
        cause,
    })?;
    names.split_whitespace().try_for_each(load)
}

fn load(module: &str) -> Result<(), InitError> {
    let path = Path::new(FOLDER).join(module);
    let file = File::open(&path).map_err(|cause| InitError::File {
        doing: "open",
        path: path.clone(),
        cause,
    })?;
    match finit_module(&file, c"", ModuleInitFlags::empty()) {
        // Another kernel may have it built in.
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(cause) => Err(InitError::Module { module: module.to_owned(), cause }),
    }
}
