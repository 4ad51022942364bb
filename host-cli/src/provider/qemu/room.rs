//! Whether the host has room for one more guest. The rule: asked before anything is started, since
//! a guest that the host's kernel kills for want of memory leaves no word about it.

use std::path::Path;

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::command::MEMORY_MIB;
use super::error::QemuError;

/// What QEMU takes beside the guest's memory, in MiB: its own code and TCG's translations.
const QEMU_MIB: u64 = 128;

/// Disk space for logs and records, in MiB.
pub const DISK_MIB: u64 = 32;

/// Checks the memory, and the disk of `folder`.
///
/// # Errors
/// [`QemuError::Memory`], [`QemuError::Disk`], [`QemuError::File`].
pub fn check(folder: &Path) -> Result<(), QemuError> {
    enough_memory(available_memory_mib()?)?;
    enough_disk(folder, available_disk_mib(folder)?)
}

/// Free memory of the host, in MiB.
///
/// # Errors
/// [`QemuError::Processes`].
pub fn available_memory_mib() -> Result<u64, QemuError> {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    Ok(System::new_with_specifics(memory)?.available_memory() >> 20)
}

/// Free space on the disk of `folder`, which need not be there yet, in MiB.
///
/// # Errors
/// [`QemuError::File`].
pub fn available_disk_mib(folder: &Path) -> Result<u64, QemuError> {
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder);
    let bytes = fs4::available_space(there).map_err(|source| QemuError::File {
        action: "ask for the free space at",
        path: folder.to_owned(),
        source,
    })?;
    Ok(bytes >> 20)
}

/// What a guest needs, in MiB.
pub fn needed_memory_mib() -> u64 {
    u64::from(MEMORY_MIB) + QEMU_MIB
}

fn enough_memory(available_mib: u64) -> Result<(), QemuError> {
    let needed_mib = needed_memory_mib();
    // Where the system doesn't tell, the guest is simply tried.
    if available_mib == 0 || available_mib >= needed_mib {
        return Ok(());
    }
    Err(QemuError::Memory { needed_mib, available_mib })
}

fn enough_disk(folder: &Path, available_mib: u64) -> Result<(), QemuError> {
    if available_mib >= DISK_MIB {
        return Ok(());
    }
    Err(QemuError::Disk { folder: folder.to_owned(), needed_mib: DISK_MIB, available_mib })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Hint;

    #[test]
    fn too_little_memory_or_disk_is_told_with_figures() {
        enough_memory(640).unwrap();
        let memory = enough_memory(639).unwrap_err();
        assert_eq!(
            memory.to_string(),
            "the guest needs 640 MiB of free memory, the host has 639 MiB"
        );
        assert_eq!(
            memory.hint(),
            "close some programs, or end other guests with `netlab down --all`"
        );
        let folder = Path::new("/home/u/n");
        enough_disk(folder, 32).unwrap();
        let disk = enough_disk(folder, 3).unwrap_err();
        assert_eq!(
            disk.to_string(),
            "32 MiB must be free on the disk of `/home/u/n`, there are 3 MiB"
        );
    }

    #[test]
    fn this_host_can_be_asked() {
        check(&std::env::temp_dir()).unwrap();
    }
}
