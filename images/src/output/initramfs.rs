//! The initramfs: init, the modules it loads before it can mount the root, and mount points.
//!
//! It is not compressed. It is small, QEMU copies it into the guest at the host's speed, and
//! unpacking it would happen in emulation.

use super::cpio::Cpio;
use crate::kernel::Module;

/// Where init mounts things: kernel interfaces, root, its overlay, and both together.
const MOUNT_POINTS: [&str; 6] = ["proc", "sys", "dev", "ro", "rw", "new"];

/// Makes the archive. init finds its modules' file names, in load order, in `/modules/order`.
pub fn initramfs(init: &[u8], modules: &[Module]) -> Vec<u8> {
    let mut cpio = Cpio::default();
    for path in MOUNT_POINTS {
        cpio.directory(path, 0o755);
    }
    cpio.file("init", 0o755, init);
    cpio.directory("modules", 0o755);
    let names: Vec<String> = modules.iter().map(|module| format!("{}.ko", module.name)).collect();
    let order: String = names.iter().flat_map(|name| [name.as_str(), "\n"]).collect();
    cpio.file("modules/order", 0o644, order.as_bytes());
    for (name, module) in names.iter().zip(modules) {
        cpio.file(&format!("modules/{name}"), 0o644, &module.bytes);
    }
    cpio.finish()
}
