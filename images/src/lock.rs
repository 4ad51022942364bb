//! The lock: which version of which package an image is made of.
//!
//! A lock is the image's whole input besides the recipe, so equal locks give equal bytes. It is
//! written by `netlab image lock` and committed; a hand may read it, but should not write it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::arch::Arch;
use crate::files;

/// The form of the lock file that this version writes and reads.
pub const LOCK_FORMAT: u32 = 1;

/// Largest lock that is read, in bytes: the committed ones have a twentieth of it.
const MAX_LOCK_BYTES: u64 = 1 << 20;

/// A lock file's contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// [`LOCK_FORMAT`].
    pub format: u32,
    /// Debian's name of the architecture.
    pub arch: String,
    /// Codename of the release.
    pub release: String,
    /// Version of the release when it was locked, such as `13.8`.
    pub version: String,
    /// When the release's index was made, as the snapshot archive writes times.
    pub date: String,
    /// Folder of the snapshot archive that has all these packages.
    pub snapshot: String,
    /// SHA-256 of the signed index.
    pub index_sha256: String,
    /// Name of the package with the kernel.
    pub kernel: String,
    /// All packages, sorted by name.
    #[serde(rename = "package")]
    pub packages: Vec<LockedPackage>,
}

/// A package pinned to its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// Name.
    pub name: String,
    /// Version as Debian writes it.
    pub version: String,
    /// `all` or an architecture.
    pub architecture: String,
    /// Path below a mirror's root.
    pub filename: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Where its authors are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
}

impl LockedPackage {
    /// Returns the name of its file, in the cache and in a bundle.
    pub fn file_name(&self) -> String {
        format!("{}.deb", self.sha256)
    }
}

/// A lock that cannot be used.
#[derive(Debug, Error)]
pub enum LockError {
    /// The file cannot be read or written.
    #[error("cannot {action} the lock `{}`", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is no lock.
    #[error("the lock `{path}` is not readable: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// Where and why.
        reason: String,
    },
    /// The lock was written by another version of netlab.
    #[error("the lock `{path}` has format {found}, this netlab reads format {LOCK_FORMAT}")]
    OtherFormat {
        /// The file.
        path: String,
        /// Its format.
        found: u32,
    },
    /// The lock is for something else than what is being built.
    #[error("the lock `{path}` is for {found}, wanted is {wanted}")]
    Unfit {
        /// The file.
        path: String,
        /// Its release or architecture.
        found: String,
        /// The one being built.
        wanted: String,
    },
}

impl LockError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::File { .. } => "check the path and its permissions".to_owned(),
            Self::Malformed { .. } | Self::OtherFormat { .. } | Self::Unfit { .. } => {
                "make a new one with `netlab image lock` and use it with `--image-lock FILE`"
                    .to_owned()
            }
        }
    }
}

impl Lock {
    /// Takes the lock at `path`, or the one compiled in for the architecture.
    pub fn load(arch: Arch, release: &str, path: Option<&Path>) -> Result<Self, LockError> {
        let (name, text) = match path {
            Some(path) => {
                let (name, mut text) = (path.display().to_string(), String::new());
                let opened = File::open(path).map(|file| file.take(MAX_LOCK_BYTES + 1));
                opened.and_then(|mut file| file.read_to_string(&mut text)).map_err(|source| {
                    LockError::File { action: "read", path: path.to_owned(), source }
                })?;
                if text.len() as u64 > MAX_LOCK_BYTES {
                    let reason = format!("it is larger than {MAX_LOCK_BYTES} bytes");
                    return Err(LockError::Malformed { path: name, reason });
                }
                (name, text)
            }
            None => (format!("images/lock/{arch}.toml"), files::lock(arch).to_owned()),
        };
        let lock = Self::parse(&name, &text)?;
        for (found, wanted) in [(lock.arch.as_str(), arch.debian()), (&lock.release, release)] {
            if found != wanted {
                return Err(LockError::Unfit {
                    path: name,
                    found: format!("`{found}`"),
                    wanted: format!("`{wanted}`"),
                });
            }
        }
        Ok(lock)
    }

    /// Reads a lock's text; `path` is for messages.
    pub fn parse(path: &str, text: &str) -> Result<Self, LockError> {
        let malformed = |reason: String| LockError::Malformed { path: path.to_owned(), reason };
        // The format is looked at first: what another version wrote may have other fields.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = toml::from_str(text).map_err(|error| malformed(error.to_string()))?;
        if head.format != LOCK_FORMAT {
            return Err(LockError::OtherFormat { path: path.to_owned(), found: head.format });
        }
        let lock: Self = toml::from_str(text).map_err(|error| malformed(error.to_string()))?;
        for package in &lock.packages {
            // The digest becomes a file name, the path part of an address.
            if !is_sha256(&package.sha256) {
                return Err(malformed(format!("`{}` has no SHA-256", package.name)));
            }
        }
        if !lock.packages.iter().any(|package| package.name == lock.kernel) {
            return Err(malformed(format!(
                "the kernel `{}` is not among the packages",
                lock.kernel
            )));
        }
        Ok(lock)
    }

    /// Writes the lock as a file's text, with a comment on top.
    pub fn text(&self) -> Result<String, LockError> {
        let body = toml::to_string(self).map_err(|error| LockError::Malformed {
            path: "new lock".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(format!(
            "# Written by `netlab image lock`, not by hand: the packages of the guest image.\n{body}"
        ))
    }

    /// Returns a digest of all that the lock says, which line ends and comments do not change.
    pub fn digest(&self) -> Result<blake3::Hash, LockError> {
        Ok(blake3::hash(self.text()?.as_bytes()))
    }
}

/// Whether a text is a SHA-256 as a lock writes it: 64 lower-case hexadecimal digits.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        Lock {
            format: LOCK_FORMAT,
            arch: "amd64".to_owned(),
            release: "trixie".to_owned(),
            version: "13.8".to_owned(),
            date: "20261121T091544Z".to_owned(),
            snapshot: "20261122T091544Z".to_owned(),
            index_sha256: "1".repeat(64),
            kernel: "linux".to_owned(),
            packages: vec![LockedPackage {
                name: "linux".to_owned(),
                version: "6.12".to_owned(),
                architecture: "amd64".to_owned(),
                filename: "pool/l.deb".to_owned(),
                size: 3,
                sha256: "0".repeat(64),
                homepage: None,
            }],
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = lock().text().unwrap();
        assert_eq!(Lock::parse("a.toml", &text).unwrap(), lock());
        assert_eq!(
            Lock::parse("a.toml", &text.replace('\n', "\r\n")).unwrap().digest().unwrap(),
            lock().digest().unwrap()
        );
    }

    #[test]
    fn unusable_locks_are_refused_in_words() {
        let text = lock().text().unwrap();
        let table = [
            (
                text.replace("format = 1", "format = 9\nnovelty = 1"),
                "the lock `a.toml` has format 9, this netlab reads format 1",
            ),
            (
                text.replace("\"linux\"\nversion", "\"linus\"\nversion"),
                "the lock `a.toml` is not readable: the kernel `linux` is not among the packages",
            ),
            (
                text.replace(&"0".repeat(64), "../../etc"),
                "the lock `a.toml` is not readable: `linux` has no SHA-256",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(Lock::parse("a.toml", &text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_lock_for_another_release_or_architecture_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::io::Write::write_all(
            &mut File::create(&path).unwrap(),
            lock().text().unwrap().as_bytes(),
        )
        .unwrap();
        assert!(Lock::load(Arch::Amd64, "trixie", Some(&path)).is_ok());
        let refusal =
            |arch, release| Lock::load(arch, release, Some(&path)).unwrap_err().to_string();
        let name = path.display();
        assert_eq!(
            refusal(Arch::Arm64, "trixie"),
            format!("the lock `{name}` is for `amd64`, wanted is `arm64`")
        );
        let huge = File::options().write(true).open(&path).unwrap();
        huge.set_len(MAX_LOCK_BYTES + 1).unwrap();
        assert_eq!(
            refusal(Arch::Amd64, "trixie"),
            format!("the lock `{name}` is not readable: it is larger than 1048576 bytes")
        );
        huge.set_len(lock().text().unwrap().len() as u64).unwrap();
        assert_eq!(
            refusal(Arch::Amd64, "forky"),
            format!("the lock `{name}` is for `trixie`, wanted is `forky`")
        );
    }

    #[test]
    fn any_text_is_a_lock_that_can_be_written_again_or_refused() {
        bolero::check!(name = "lock").for_each(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            if let Ok(lock) = Lock::parse("a.toml", &text) {
                let names: Vec<_> = lock.packages.iter().map(LockedPackage::file_name).collect();
                assert!(
                    names.iter().all(|name| !name.contains(['/', '\\', '.']) || name.len() == 68)
                );
                assert_eq!(Lock::parse("a.toml", &lock.text().unwrap()).unwrap(), lock);
            }
        });
    }
}
