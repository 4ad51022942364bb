//! A bundle: one file with all that a machine without a network needs to make the guest's image,
//! and labs beside it.
//!
//! It holds the image's packages, not the image: a package is believed because it has the digest
//! that the lock of the netlab that reads it names, and not because the bundle says so. A tar
//! archive, with its manifest first, then the labs, then the packages. No name in it ever becomes a
//! path.

mod error;
mod read;
mod write;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::lock::LockedPackage;

pub use error::BundleError;
pub use read::Bundle;
pub use write::{BundleSummary, must_be_free, write};

/// The form of the bundle that this version writes and reads.
pub const BUNDLE_FORMAT: u32 = 1;

/// The manifest's name, and so what a bundle begins with.
const MANIFEST_NAME: &str = "netlab-bundle.json";

/// Largest manifest that is read, in bytes. One with two images and ten labs has a thousandth of it.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// Largest text that is read, in bytes: as much as a lab file may have.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// A tar archive's records have so many bytes.
const RECORD_BYTES: u64 = 512;

/// An archive ends with two empty records.
const END_BYTES: u64 = 2 * RECORD_BYTES;

/// What a bundle says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`BUNDLE_FORMAT`].
    pub format: u32,
    /// Bytes behind the manifest, so that a bundle that was cut short is known at once.
    pub bytes: u64,
    /// The images that can be made from it.
    pub images: Vec<BundledImage>,
    /// The labs in it.
    pub labs: Vec<BundledLab>,
}

/// An image that can be made from a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledImage {
    /// Debian's name of the architecture.
    pub arch: String,
    /// Version of the Debian release, such as `13.8`.
    pub release: String,
    /// BLAKE3 of the lock.
    pub lock: String,
    /// How many packages it is made of.
    pub packages: usize,
}

/// A lab in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledLab {
    /// The id that it states.
    pub id: String,
    /// BLAKE3 of its text, in hexadecimal.
    pub blake3: String,
}

/// The entry's name of a lab, by its place in the manifest.
fn lab_name(index: usize) -> String {
    format!("labs/{index}.md")
}

/// The entry's name of a package.
fn package_name(package: &LockedPackage) -> String {
    format!("debs/{}", package.file_name())
}

/// Bytes that an entry of such a size takes, its header included.
fn entry_bytes(size: u64) -> u64 {
    RECORD_BYTES + size.next_multiple_of(RECORD_BYTES)
}
