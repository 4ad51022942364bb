//! Free memory without what was in it.
//!
//! The pages of a process that ended keep their bytes until somebody else needs them, and among
//! them are the SSH server's keys. The kernel's own cure, `init_on_free=1`, clears all memory at
//! each boot, which costs every guest its whole size of the host's memory.

use std::fs::File;
use std::io::Write as _;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::sysinfo::sysinfo;

use crate::error::InitError;

/// Bytes that stay free: enough that the kernel doesn't begin to throw out files that it has read,
/// which clones would read again. The kernel hands out what was used last first, so what stays was
/// never used.
const MARGIN: u64 = 12 << 20;

/// Bytes that are written at once.
const PIECE: usize = 1 << 20;

/// Fills the free memory with zeros, once, and frees it again.
pub fn free_memory() -> Result<(), InitError> {
    let failed = |cause| InitError::System { doing: "clear the free memory", cause };
    // A file in memory, not an allocation: the kernel might serve one of these with large pages
    // and leave the small ones, where the keys are.
    let file = memfd_create("netlab-wipe", MFdFlags::MFD_CLOEXEC).map_err(failed)?;
    let mut file = File::from(file);
    let zeros = vec![0; PIECE];
    while sysinfo().map_err(failed)?.ram_unused() > MARGIN {
        file.write_all(&zeros).map_err(|cause| InitError::File {
            doing: "fill",
            path: "/memfd:netlab-wipe".into(),
            cause,
        })?;
    }
    Ok(())
}
