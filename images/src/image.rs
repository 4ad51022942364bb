//! An image on disk: its files, and the record (`image.json`) that says what they must be.
//!
//! The folder is named by a key made of everything that goes into the image. The record repeats
//! the key, holds a digest of every file, and one over itself, so no byte can change unnoticed.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::arch::Arch;

/// The form of the record that this version writes and reads. It goes into the key as well, so it
/// is also raised when the same recipe and lock begin to give other bytes.
pub const IMAGE_FORMAT: u32 = 1;

/// The record's file name.
pub const RECORD_FILE: &str = "image.json";

/// Largest record that is read, in bytes: one has less than a kilobyte.
const MAX_RECORD_BYTES: u64 = 1 << 20;

/// The kernel as Debian packages it, where QEMU boots something larger made from it.
pub const PACKAGED_KERNEL_FILE: &str = "vmlinuz";
/// The first root, with init and the modules it loads.
pub const INITRAMFS_FILE: &str = "initramfs";
/// The root.
pub const ROOT_FILE: &str = "root.squashfs";
/// The list of packages.
pub const MANIFEST_FILE: &str = "manifest.spdx.json";

/// A complete image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The folder with all of it.
    pub dir: PathBuf,
    /// The kernel that QEMU boots.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// The root, a squashfs.
    pub root: PathBuf,
    /// What the image is made of, as a short digest.
    pub key: String,
}

/// What `image.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Form of the record.
    pub format: u32,
    /// Debian's name of the architecture.
    pub arch: String,
    /// The image's key.
    pub key: String,
    /// Version of the Debian release, such as `13.8`.
    pub release: String,
    /// BLAKE3 of the recipe with our files.
    pub recipe: String,
    /// BLAKE3 of the lock.
    pub lock: String,
    /// BLAKE3 of init.
    pub init: String,
    /// The other files of the image.
    pub files: Vec<RecordedFile>,
    /// BLAKE3 of this record with an empty digest.
    pub digest: String,
}

/// A file as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedFile {
    /// Name in the image's folder.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 in hexadecimal.
    pub blake3: String,
}

/// An image on disk is not as it should be.
#[derive(Debug, Error)]
pub enum ImageError {
    /// A file is not the one that was built.
    #[error("the image file `{}` has been altered since it was built", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("the image file `{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The record was written by another version of netlab.
    #[error(
        "the image record `{}` has format {found}, this netlab reads format {IMAGE_FORMAT}",
        path.display()
    )]
    OtherFormat {
        /// The record.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}

impl ImageError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Altered { .. } | Self::OtherFormat { .. } => {
                "`netlab image build` makes it anew".to_owned()
            }
            Self::Unreadable { .. } => {
                "check the permissions of the cache folder, or make the image anew with \
                 `netlab image build`"
                    .to_owned()
            }
        }
    }
}

impl Image {
    /// Names the files of an image in its folder; says nothing about whether they are there.
    pub fn at(dir: PathBuf, arch: Arch, key: String) -> Self {
        Self {
            kernel: dir.join(arch.kernel_file()),
            initramfs: dir.join(INITRAMFS_FILE),
            root: dir.join(ROOT_FILE),
            dir,
            key,
        }
    }

    /// Verifies every byte of the image; meant for each start of a guest, so it uses all cores.
    ///
    /// # Errors
    /// Names the first file that is missing or not the one that was built.
    pub fn check(&self) -> Result<(), ImageError> {
        let record = self.record()?;
        record.files.par_iter().try_for_each(|file| {
            let path = self.dir.join(&file.name);
            let mut hasher = blake3::Hasher::new();
            hasher
                .update_mmap_rayon(&path)
                .map_err(|source| ImageError::Unreadable { path: path.clone(), source })?;
            if hasher.finalize().to_hex().as_str() != file.blake3 {
                return Err(ImageError::Altered { path });
            }
            Ok(())
        })
    }

    /// Verifies that every file is there in its full size; quick, and blind to flipped bytes.
    pub fn check_sizes(&self) -> Result<(), ImageError> {
        for file in self.record()?.files {
            let path = self.dir.join(&file.name);
            let metadata = fs::metadata(&path)
                .map_err(|source| ImageError::Unreadable { path: path.clone(), source })?;
            if metadata.len() != file.size {
                return Err(ImageError::Altered { path });
            }
        }
        Ok(())
    }

    /// Compares this image with a fresh one of the same key in another folder, file by file.
    ///
    /// Which files there must be is asked of the fresh one: here the record may be altered as well,
    /// and what is missing is as different as what was changed.
    pub fn compare(&self, fresh: &Path) -> Result<Vec<(String, bool)>, ImageError> {
        let fresh = Self { dir: fresh.to_owned(), ..self.clone() };
        let record = fresh.record()?;
        let names = record.files.iter().map(|file| file.name.as_str()).chain([RECORD_FILE]);
        let same = |name: &str| {
            let path = fresh.dir.join(name);
            let bytes =
                fs::read(&path).map_err(|source| ImageError::Unreadable { path, source })?;
            Ok((name.to_owned(), holds(self.dir.join(name), &bytes)?))
        };
        names.map(same).collect()
    }

    /// Reads the record and verifies that it is unaltered and belongs to this image.
    pub fn record(&self) -> Result<Record, ImageError> {
        let path = self.dir.join(RECORD_FILE);
        let mut bytes = Vec::new();
        let opened = File::open(&path).map(|file| file.take(MAX_RECORD_BYTES + 1));
        opened
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|source| ImageError::Unreadable { path: path.clone(), source })?;
        if bytes.len() as u64 > MAX_RECORD_BYTES {
            let source = io::ErrorKind::FileTooLarge.into();
            return Err(ImageError::Unreadable { path, source });
        }
        // The format is looked at first: what another version wrote may have other fields.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        match serde_json::from_slice::<Head>(&bytes) {
            Ok(head) if head.format != IMAGE_FORMAT => {
                return Err(ImageError::OtherFormat { path, found: head.format });
            }
            _ => {}
        }
        match serde_json::from_slice::<Record>(&bytes) {
            // Comparing the whole text catches what parsing forgives, such as white space.
            Ok(record) if record.key == self.key && record.sealed().text() == bytes => Ok(record),
            _ => Err(ImageError::Altered { path }),
        }
    }
}

impl Record {
    /// Fills in the digest over the other fields.
    pub fn sealed(&self) -> Self {
        let open = Self { digest: String::new(), ..self.clone() };
        Self { digest: blake3::hash(&open.text()).to_string(), ..open }
    }

    /// Writes the record as the file's text.
    pub fn text(&self) -> Vec<u8> {
        // Strings and numbers in a struct always serialize; an empty text would fail every check.
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

/// Describes a file for the record.
pub fn recorded(name: &str, bytes: &[u8]) -> RecordedFile {
    let mut hasher = blake3::Hasher::new();
    hasher.update_rayon(bytes);
    RecordedFile {
        name: name.to_owned(),
        size: bytes.len() as u64,
        blake3: hasher.finalize().to_string(),
    }
}

/// Says whether a file is there with just these bytes.
fn holds(path: PathBuf, bytes: &[u8]) -> Result<bool, ImageError> {
    match fs::read(&path) {
        Ok(found) => Ok(found == bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(ImageError::Unreadable { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn write(path: &Path, bytes: &[u8]) {
        File::create(path).unwrap().write_all(bytes).unwrap();
    }

    fn image(folder: &Path) -> Image {
        let files = [("vmlinux", &b"kernel"[..]), (ROOT_FILE, b"root")];
        for (name, bytes) in files {
            write(&folder.join(name), bytes);
        }
        let record = Record {
            format: IMAGE_FORMAT,
            arch: "amd64".to_owned(),
            key: "abc".to_owned(),
            release: "13.8".to_owned(),
            recipe: String::new(),
            lock: String::new(),
            init: String::new(),
            files: files.iter().map(|(name, bytes)| recorded(name, bytes)).collect(),
            digest: String::new(),
        };
        write(&folder.join(RECORD_FILE), &record.sealed().text());
        Image::at(folder.to_owned(), Arch::Amd64, "abc".to_owned())
    }

    #[test]
    fn a_flipped_byte_anywhere_is_caught_and_the_file_named() {
        let folder = tempfile::tempdir().unwrap();
        let image = image(folder.path());
        image.check().unwrap();
        for name in ["vmlinux", ROOT_FILE, RECORD_FILE] {
            let path = folder.path().join(name);
            let good = fs::read(&path).unwrap();
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 1;
                write(&path, &bad);
                let error = image.check().unwrap_err();
                assert!(
                    matches!(&error, ImageError::Altered { path: named } if *named == path)
                        || matches!(&error, ImageError::OtherFormat { .. }),
                    "byte {at} of {name}: {error}"
                );
            }
            write(&path, &good);
        }
        image.check().unwrap();
    }

    #[test]
    fn a_comparison_names_what_was_altered_and_leaves_it_so() {
        let (folder, fresh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (old, _) = (image(folder.path()), image(fresh.path()));
        let rows = |same: [bool; 3]| {
            let names = ["vmlinux", ROOT_FILE, RECORD_FILE].map(str::to_owned);
            names.into_iter().zip(same).collect::<Vec<_>>()
        };
        assert_eq!(old.compare(fresh.path()).unwrap(), rows([true; 3]));
        write(&old.root, b"toor");
        assert_eq!(old.compare(fresh.path()).unwrap(), rows([true, false, true]));
        assert_eq!(fs::read(&old.root).unwrap(), b"toor");
        // A record that fits the altered root, and a file that is gone.
        let mut record = old.record().unwrap();
        record.files[1] = recorded(ROOT_FILE, b"toor");
        write(&old.dir.join(RECORD_FILE), &record.sealed().text());
        fs::remove_file(&old.kernel).unwrap();
        assert_eq!(old.compare(fresh.path()).unwrap(), rows([false; 3]));
    }

    #[test]
    fn an_image_of_another_key_missing_files_and_sizes_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let image = image(folder.path());
        let record = folder.path().join(RECORD_FILE);
        let other = Image { key: "abd".to_owned(), ..image.clone() };
        assert_eq!(
            other.check().unwrap_err().to_string(),
            format!("the image file `{}` has been altered since it was built", record.display())
        );
        write(&image.root, b"longer root");
        assert!(matches!(image.check_sizes(), Err(ImageError::Altered { .. })));
        fs::remove_file(&image.root).unwrap();
        assert_eq!(
            image.check_sizes().unwrap_err().to_string(),
            format!("the image file `{}` cannot be read", image.root.display())
        );
        write(&record, b"{\"format\":7}");
        assert_eq!(
            image.check().unwrap_err().to_string(),
            format!(
                "the image record `{}` has format 7, this netlab reads format 1",
                record.display()
            )
        );
    }
}
