//! Builds the guest's kernel, initramfs and root from a recipe and a lock.
//!
//! Everything happens in memory and in plain Rust, without root and without any tool of the host,
//! so that Linux, macOS and Windows give the same bytes.
//!
//! ```text
//! recipe.toml ──► relock ──► lock/<arch>.toml          `netlab image lock`
//!                   ▲
//!                archive: signed index, versions, mirrors, downloads
//!                   ▼
//! lock + recipe ► store ──► build ──► root, kernel ──► output ──► image on disk
//!                  ▲│
//!                  │▼
//!                bundle: packages in one file           `netlab bundle`
//! ```

#![forbid(unsafe_code)]

mod arch;
mod archive;
mod build;
mod bundle;
mod error;
mod files;
mod image;
mod inputs;
mod kernel;
mod lock;
mod output;
mod progress;
mod recipe;
mod relock;
mod root;
mod store;
mod xz;

pub use arch::Arch;
pub use archive::ArchiveError;
pub use bundle::{Bundle, BundleError, BundleSummary, BundledImage, BundledLab};
pub use error::Error;
pub use image::{Image, ImageError, Record, RecordedFile};
pub use kernel::KernelError;
pub use lock::LockError;
pub use output::SquashfsError;
pub use progress::{Progress, ProgressEvent};
pub use recipe::RecipeError;
pub use relock::{LockSummary, lock};
pub use root::RootError;
pub use store::{BuildOptions, Holding, HoldingKind, Store, StoreError, VerifyReport};
