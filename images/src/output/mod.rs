//! The files of an image, each from data in memory to bytes that depend on nothing else.

mod cpio;
mod initramfs;
mod manifest;
mod squashfs;

pub use initramfs::initramfs;
pub use manifest::manifest;
pub use squashfs::{SquashfsError, squashfs};
