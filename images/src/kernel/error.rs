//! What can be wrong with a kernel package.

use thiserror::Error;

/// A failure to make bootable parts of a kernel package.
#[derive(Debug, Error)]
pub enum KernelError {
    /// The package has no kernel.
    #[error("the kernel package has no file `boot/vmlinuz-…`")]
    NoKernel,
    /// The kernel is not in the form that this architecture's kernels have.
    #[error("the kernel `{path}` cannot be unpacked: {reason}")]
    Unusable {
        /// The file.
        path: String,
        /// What is wrong or unknown in it.
        reason: String,
    },
    /// A module is named in the recipe, or by another module, and is not there.
    #[error("the kernel has no module `{module}`, which {needed_by} needs")]
    NoModule {
        /// Its name.
        module: String,
        /// A module, or the recipe.
        needed_by: String,
    },
    /// The order of the initramfs would load a module before one it needs.
    #[error("the initramfs loads `{module}` before `{needed}`, which it needs")]
    WrongOrder {
        /// Loaded too early.
        module: String,
        /// Loaded later or never.
        needed: String,
    },
    /// A module's file is damaged.
    #[error("the module `{path}` is not readable: {reason}")]
    BadModule {
        /// The file.
        path: String,
        /// What is wrong in it.
        reason: String,
    },
}

impl KernelError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoKernel | Self::Unusable { .. } | Self::BadModule { .. } => {
                "this kernel is of a kind that netlab does not know: use the lock that netlab carries"
                    .to_owned()
            }
            Self::NoModule { .. } | Self::WrongOrder { .. } => {
                "correct the module lists in `images/recipe.toml`, or use the lock that netlab \
                 carries"
                    .to_owned()
            }
        }
    }
}
