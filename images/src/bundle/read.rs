//! Reads a bundle: what it says, its labs, its packages. The rule: nothing of it is believed that was
//! not compared with a digest, and packages only with those of the lock.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tar::{Archive, Entries};

use super::{
    BUNDLE_FORMAT, BundleError, BundledImage, BundledLab, MANIFEST_NAME, MAX_MANIFEST_BYTES,
    MAX_TEXT_BYTES, Manifest, entry_bytes, lab_name, package_name,
};
use crate::arch::Arch;
use crate::error::Error;
use crate::lock::{LockedPackage, is_sha256};
use crate::progress::Progress;
use crate::store::{file_error, keep_going};

/// Bytes copied between two looks at the user's wish to stop.
const BLOCK_BYTES: usize = 256 * 1024;

/// A bundle whose manifest has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    path: PathBuf,
    manifest: Manifest,
}

/// An entry, on its way through the archive.
struct Visited<'a> {
    name: &'a str,
    size: u64,
    bytes: &'a mut dyn Read,
}

impl Bundle {
    /// Reads what a bundle says about itself, and sees that all of it is there.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        let not = || BundleError::NotABundle { path: path.to_owned() };
        let file = File::open(path).map_err(|source| BundleError::reading(path, source))?;
        let metadata = file.metadata().map_err(|source| BundleError::reading(path, source))?;
        if !metadata.is_file() {
            return Err(not());
        }
        let mut archive = Archive::new(BufReader::new(file));
        let mut entries = plain(&mut archive).map_err(|_| not())?;
        let Some(Ok(mut first)) = entries.next() else { return Err(not()) };
        let (size, start) = (first.size(), first.raw_header_position());
        if first.path_bytes() != MANIFEST_NAME.as_bytes() || size > MAX_MANIFEST_BYTES {
            return Err(not());
        }
        let cut_short = || BundleError::CutShort { path: path.to_owned() };
        let mut text = Vec::new();
        first.read_to_end(&mut text).map_err(|error| broken(path, MANIFEST_NAME, error))?;
        if (text.len() as u64) < size {
            return Err(cut_short());
        }
        let manifest = parse(path, &text)?;
        let whole = (start + entry_bytes(size)).saturating_add(manifest.bytes);
        if metadata.len() < whole {
            return Err(cut_short());
        }
        Ok(Self { path: path.to_owned(), manifest })
    }

    /// The labs in it.
    pub fn labs(&self) -> &[BundledLab] {
        &self.manifest.labs
    }

    /// Returns a lab's text if the bundle has a lab of this id.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn lab(&self, id: &str) -> Result<Option<String>, Error> {
        let Some(index) = self.manifest.labs.iter().position(|lab| lab.id == id) else {
            return Ok(None);
        };
        let wanted = lab_name(index);
        let altered = || self.altered(&wanted);
        let mut found = None;
        self.walk(&mut |entry| {
            if entry.name != wanted {
                return Ok(ControlFlow::Continue(()));
            }
            let mut text = Vec::new();
            let limited = &mut entry.bytes.take(MAX_TEXT_BYTES + 1);
            limited.read_to_end(&mut text).map_err(|error| broken(&self.path, &wanted, error))?;
            found = Some(text);
            Ok(ControlFlow::Break(()))
        })?;
        let text = found.ok_or_else(altered)?;
        if blake3::hash(&text).to_hex().as_str() != self.manifest.labs[index].blake3 {
            return Err(altered().into());
        }
        Ok(Some(String::from_utf8(text).map_err(|_| altered())?))
    }

    /// Makes sure that the image of this lock can be made from it.
    ///
    /// # Errors
    /// [`BundleError::OtherArch`], [`BundleError::OtherLock`].
    pub fn must_fit(&self, arch: Arch, lock_digest: &str) -> Result<(), BundleError> {
        let path = self.path.clone();
        let images = &self.manifest.images;
        let Some(image) = images.iter().find(|image| image.arch == arch.debian()) else {
            let found: Vec<_> = images.iter().map(|image| image.arch.as_str()).collect();
            let (found, wanted) = (found.join(", "), arch.to_string());
            return Err(BundleError::OtherArch { path, found, wanted });
        };
        if image.lock != lock_digest {
            let BundledImage { release, arch, .. } = image.clone();
            return Err(BundleError::OtherLock { path, found: release, arch });
        }
        Ok(())
    }

    /// Puts packages into a folder, under the names that the cache has for them. Each is the locked
    /// one to the byte. After a failure, some may be there.
    ///
    /// # Errors
    /// [`BundleError`]; a folder that can't be written; the user's wish to stop.
    pub fn unpack(
        &self,
        packages: &[LockedPackage],
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let mut wanted: HashMap<String, &LockedPackage> =
            packages.iter().map(|package| (package_name(package), package)).collect();
        self.walk(&mut |entry| {
            keep_going(progress, "unpacking the bundle")?;
            if let Some(package) = wanted.remove(entry.name) {
                self.copy(entry, package, folder, progress)?;
            }
            let done = wanted.is_empty();
            Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        match wanted.into_keys().min() {
            Some(name) => Err(self.altered(&name).into()),
            None => Ok(()),
        }
    }

    fn copy(
        &self,
        entry: Visited<'_>,
        package: &LockedPackage,
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let Visited { name, size, bytes } = entry;
        if size != package.size {
            return Err(self.altered(name).into());
        }
        let path = folder.join(package.file_name());
        let writing = |source| file_error("write", &path, source);
        let mut file = File::create(&path).map_err(writing)?;
        let mut digest = Sha256::new();
        let mut block = vec![0; BLOCK_BYTES];
        let mut copied = 0;
        while copied < size {
            keep_going(progress, "unpacking the bundle")?;
            let count = bytes.read(&mut block).map_err(|error| broken(&self.path, name, error))?;
            if count == 0 {
                return Err(BundleError::CutShort { path: self.path.clone() }.into());
            }
            digest.update(&block[..count]);
            file.write_all(&block[..count]).map_err(writing)?;
            copied += count as u64;
        }
        if hex::encode(digest.finalize()) != package.sha256 {
            return Err(self.altered(name).into());
        }
        Ok(())
    }

    /// Shows `visit` one entry behind the manifest after the other, until it has seen enough.
    fn walk(
        &self,
        visit: &mut dyn FnMut(Visited<'_>) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        let file =
            File::open(&self.path).map_err(|source| BundleError::reading(&self.path, source))?;
        let mut archive = Archive::new(BufReader::with_capacity(BLOCK_BYTES, file));
        let mut before = MANIFEST_NAME.to_owned();
        let damaged = |after: &str, error| broken(&self.path, &format!("behind {after}"), error);
        let entries = plain(&mut archive).map_err(|error| damaged(&before, error))?;
        for entry in entries.skip(1) {
            let mut entry = entry.map_err(|error| damaged(&before, error))?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if !entry.header().entry_type().is_file() || !self.may_have(&name) {
                return Err(BundleError::Stray { path: self.path.clone(), entry: name }.into());
            }
            let size = entry.size();
            let visited = Visited { name: &name, size, bytes: &mut entry };
            if visit(visited)?.is_break() {
                break;
            }
            before = name;
        }
        Ok(())
    }

    /// Whether a bundle with such a manifest has an entry of this name.
    fn may_have(&self, name: &str) -> bool {
        let digest = name.strip_prefix("debs/").and_then(|name| name.strip_suffix(".deb"));
        digest.is_some_and(is_sha256)
            || (0..self.manifest.labs.len()).any(|index| lab_name(index) == name)
    }

    fn altered(&self, entry: &str) -> BundleError {
        BundleError::Altered { path: self.path.clone(), entry: entry.to_owned() }
    }
}

/// Returns an archive's entries as they stand in it. Headers for long names and the like, which no
/// bundle has, are entries like any other: else the archive would say how much of them to hold in memory.
fn plain<R: Read>(archive: &mut Archive<R>) -> io::Result<Entries<'_, R>> {
    archive.entries().map(|entries| entries.raw(true))
}

/// Whether a file begins like a bundle.
pub(super) fn begins_like_one(path: &Path) -> io::Result<bool> {
    let mut start = [0; MANIFEST_NAME.len()];
    match File::open(path)?.read_exact(&mut start) {
        Ok(()) => Ok(start == MANIFEST_NAME.as_bytes()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn parse(path: &Path, text: &[u8]) -> Result<Manifest, BundleError> {
    // The format is looked at first: what another version wrote may have other fields.
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let altered =
        |_| BundleError::Altered { path: path.to_owned(), entry: MANIFEST_NAME.to_owned() };
    let Head { format } = serde_json::from_slice(text).map_err(altered)?;
    if format != BUNDLE_FORMAT {
        return Err(BundleError::OtherFormat { path: path.to_owned(), found: format });
    }
    serde_json::from_slice(text).map_err(altered)
}

/// What a failure to read an archive means: the system's own are told, the others are the archive's.
fn broken(path: &Path, entry: &str, error: io::Error) -> BundleError {
    if error.raw_os_error().is_some() {
        return BundleError::reading(path, error);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BundleError::CutShort { path: path.to_owned() },
        _ => BundleError::Altered { path: path.to_owned(), entry: entry.to_owned() },
    }
}
