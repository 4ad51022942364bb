//! The one error type that callers meet; each stage of a build has its own enum below it.

use thiserror::Error;

use crate::arch::Arch;
use crate::archive::ArchiveError;
use crate::bundle::BundleError;
use crate::image::ImageError;
use crate::kernel::KernelError;
use crate::lock::LockError;
use crate::output::SquashfsError;
use crate::recipe::RecipeError;
use crate::root::RootError;
use crate::store::StoreError;

/// A failure to lock, build or check an image.
#[derive(Debug, Error)]
pub enum Error {
    /// No image can be made for this architecture.
    #[error("no guest image for the architecture `{name}`")]
    UnknownArch {
        /// What was asked for.
        name: String,
    },
    /// The recipe is not in order.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The lock cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Packages cannot be found, verified or fetched.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Packages do not make a root.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The kernel's package is not what it should be.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The root cannot be written as a file system.
    #[error(transparent)]
    Squashfs(#[from] SquashfsError),
    /// The list of packages cannot be written.
    #[error("the manifest cannot be made")]
    Manifest(#[from] serde_json::Error),
    /// An image on disk is not as it should be.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The cache cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bundle cannot be written or used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl Error {
    /// Returns what the user can do about it; commands stand in backticks.
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownArch { .. } => {
                let known = Arch::ALL.map(|arch| format!("`{arch}`"));
                format!("choose one of {}", known.join(", "))
            }
            Self::Recipe(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            Self::Archive(error) => error.hint(),
            Self::Root(error) => error.hint(),
            Self::Kernel(error) => error.hint(),
            Self::Squashfs(_) | Self::Manifest(_) => {
                "this is a fault of netlab: please report it with the command you typed".to_owned()
            }
            Self::Image(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Bundle(error) => error.hint(),
        }
    }
}
