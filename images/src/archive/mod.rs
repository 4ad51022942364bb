//! Debian's archive: its signed index, what packages need, and their bytes.
//!
//! The index is trusted for its signature, the packages for their hashes in it or in the lock;
//! where the bytes come from is therefore of no weight, and plain HTTP will do.

mod control;
mod download;
mod error;
mod http;
mod mirror;
mod packages;
mod relation;
mod release;
mod resolve;
mod signature;
mod version;

pub use download::{Downloads, fetch_all};
pub use error::ArchiveError;
pub use http::{Answer, Client};
pub use mirror::{Mirrors, default_mirror, snapshot_mirror};
pub use packages::{Package, parse as parse_packages};
pub use release::{Release, timestamp};
pub use resolve::{Wanted, dependency as kernel_package, resolve};
pub use signature::{debian_keys, verify};

#[cfg(test)]
pub(crate) use signature::tests as signing;
