//! The kernel package's parts: the kernel that QEMU boots, and the modules with their index.

mod boot;
mod error;
mod index;
mod module;
mod select;

pub use boot::{Bootable, bootable};
pub use error::KernelError;
pub use module::Module;
pub use select::select;
