//! Free memory without what was in it.
//!
//! The pages of a process that ended keep their bytes until somebody else needs them, and among
//! them are the SSH server's keys. The kernel's own cure, `init_on_free=1`, clears all memory at
//! each boot, which costs every guest its whole size of the host's memory.
//!
//! This is an effort and no proof: not all free memory is filled. What is known is what the guest
//! trial `templates` searches for in a finished template, and doesn't find: the private, public and
//! host keys of the guest that it was made of and of its clones, raw and as in their files, and the
//! beginning of any host key as the server writes it.

use std::fs::File;
use std::io::Write as _;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::sysinfo::sysinfo;

use crate::error::InitError;

/// Bytes that stay free: enough that the kernel doesn't begin to throw out files that it has read,
/// which clones would read again. The kernel mostly hands out first what was freed last, so what
/// stays is likely to be memory that nobody has used; it doesn't promise that.
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
