//! Writes a bundle. Equal locks and labs give equal bytes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tar::{Builder, Header};

use super::read::begins_like_one;
use super::{
    BUNDLE_FORMAT, BundleError, BundledImage, BundledLab, END_BYTES, MANIFEST_NAME, Manifest,
    entry_bytes, lab_name, package_name,
};
use crate::error::Error;
use crate::inputs::Inputs;
use crate::lock::LockedPackage;
use crate::progress::Progress;
use crate::store::{file_error, keep_going};

/// A bundle that has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleSummary {
    /// Its size, in bytes.
    pub bytes: u64,
    /// SHA-256 of the whole file, in hexadecimal.
    pub sha256: String,
    /// The images that can be made from it.
    pub images: Vec<BundledImage>,
    /// The labs in it.
    pub labs: Vec<BundledLab>,
}

/// Writes a bundle of packages that are all in the cache's `folder`, and of labs, each an id and a
/// text.
///
/// It is written beside its place and renamed. What is there is replaced, so [`must_be_free`] is asked
/// first.
///
/// # Errors
/// [`BundleError`]; a package that can't be read; the user's wish to stop.
pub fn write(
    output: &Path,
    images: &[Inputs],
    labs: &[(String, String)],
    folder: &Path,
    progress: &dyn Progress,
) -> Result<BundleSummary, Error> {
    let writing = |source| BundleError::writing(output, source);
    // A package for all architectures is in several locks.
    let packages: BTreeMap<&str, &LockedPackage> = images
        .iter()
        .flat_map(|inputs| &inputs.lock.packages)
        .map(|package| (package.sha256.as_str(), package))
        .collect();
    let manifest = manifest(images, labs, &packages);
    // Strings and numbers in a struct always serialize.
    let text = serde_json::to_vec_pretty(&manifest)?;

    let place = output.parent().filter(|place| !place.as_os_str().is_empty());
    // Made by the system's rules for new files: it is to be read by others.
    let beside = tempfile::Builder::new()
        .prefix(".netlab-bundle-")
        .make_in(place.unwrap_or(Path::new(".")), |path| File::create_new(path))
        .map_err(writing)?;
    let mut archive = Builder::new(Digested::new(BufWriter::new(beside.as_file())));
    append(&mut archive, MANIFEST_NAME, text.len() as u64, text.as_slice()).map_err(writing)?;
    for (index, (_, lab)) in labs.iter().enumerate() {
        let bytes = lab.as_bytes();
        append(&mut archive, &lab_name(index), bytes.len() as u64, bytes).map_err(writing)?;
    }
    for package in packages.values() {
        keep_going(progress, "writing the bundle")?;
        let path = folder.join(package.file_name());
        // Read whole, so that a package that can't be read is told apart from a bundle that can't be
        // written.
        let bytes = fs::read(&path).map_err(|source| file_error("read", &path, source))?;
        let name = package_name(package);
        append(&mut archive, &name, bytes.len() as u64, bytes.as_slice()).map_err(writing)?;
    }
    let (bytes, sha256) = archive.into_inner().and_then(Digested::finish).map_err(writing)?;
    beside.as_file().sync_all().map_err(writing)?;
    beside.persist(output).map_err(|error| writing(error.error))?;
    let Manifest { images, labs, .. } = manifest;
    Ok(BundleSummary { bytes, sha256, images, labs })
}

/// Refuses to write over a file that is no bundle: a lab's name may have been typed in its place.
///
/// # Errors
/// [`BundleError::Taken`], or a file that can't be looked at.
pub fn must_be_free(output: &Path) -> Result<(), BundleError> {
    match begins_like_one(output) {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(false) => Err(BundleError::Taken { path: output.to_owned() }),
        Err(error) => Err(BundleError::writing(output, error)),
    }
}

fn manifest(
    images: &[Inputs],
    labs: &[(String, String)],
    packages: &BTreeMap<&str, &LockedPackage>,
) -> Manifest {
    let sizes = packages.values().map(|package| package.size);
    let sizes = sizes.chain(labs.iter().map(|(_, text)| text.len() as u64));
    Manifest {
        format: BUNDLE_FORMAT,
        bytes: sizes.map(entry_bytes).sum::<u64>() + END_BYTES,
        images: images
            .iter()
            .map(|inputs| BundledImage {
                arch: inputs.arch.to_string(),
                release: inputs.lock.version.clone(),
                lock: inputs.lock_digest.clone(),
                packages: inputs.lock.packages.len(),
            })
            .collect(),
        labs: labs
            .iter()
            .map(|(id, text)| BundledLab {
                id: id.clone(),
                blake3: blake3::hash(text.as_bytes()).to_string(),
            })
            .collect(),
    }
}

/// Appends an entry that has no time and no owner.
fn append(
    archive: &mut Builder<impl Write>,
    name: &str,
    size: u64,
    bytes: impl io::Read,
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    archive.append_data(&mut header, name, bytes)
}

/// Counts and digests what is written through it.
struct Digested<W> {
    inner: W,
    digest: Sha256,
    bytes: u64,
}

impl<W: Write> Digested<W> {
    fn new(inner: W) -> Self {
        Self { inner, digest: Sha256::new(), bytes: 0 }
    }

    /// Writes what is left in memory and returns how many bytes there were, and their digest.
    fn finish(mut self) -> io::Result<(u64, String)> {
        self.inner.flush()?;
        Ok((self.bytes, hex::encode(self.digest.finalize())))
    }
}

impl<W: Write> Write for Digested<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.digest.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
