//! Why a bundle can't be written or used.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::BUNDLE_FORMAT;

/// A bundle that can't be written or used.
#[derive(Debug, Error)]
pub enum BundleError {
    /// The file can't be opened, read or written.
    #[error("cannot {action} the bundle `{}`", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The disk has no room for it.
    #[error("the disk is full: cannot write the bundle `{}`", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// Some other file is in the place where it should be written.
    #[error("`{}` is there already, and is no bundle", path.display())]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// It does not begin like a bundle.
    #[error("`{}` is no bundle", path.display())]
    NotABundle {
        /// The file.
        path: PathBuf,
    },
    /// It was written by another version of netlab.
    #[error(
        "the bundle `{}` has format {found}, this netlab reads format {BUNDLE_FORMAT}",
        path.display()
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Its end is missing.
    #[error("the bundle `{}` is cut short", path.display())]
    CutShort {
        /// The file.
        path: PathBuf,
    },
    /// Something in it is not what it was.
    #[error("the bundle `{}` has been altered, in `{entry}`", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// Where in it.
        entry: String,
    },
    /// It has something that belongs into no bundle.
    #[error("the bundle `{}` has an entry `{entry}`, which belongs into no bundle", path.display())]
    Stray {
        /// The file.
        path: PathBuf,
        /// The entry.
        entry: String,
    },
    /// It has no image for such guests.
    #[error("the bundle `{}` is for {found}, wanted is {wanted}", path.display())]
    OtherArch {
        /// The file.
        path: PathBuf,
        /// Architectures that it is for.
        found: String,
        /// The one that is wanted.
        wanted: String,
    },
    /// It has the packages of another lock.
    #[error(
        "the bundle `{}` has packages of Debian {found}, but not those of the image that this \
         netlab makes for {arch}",
        path.display()
    )]
    OtherLock {
        /// The file.
        path: PathBuf,
        /// Version of the release that its packages are of.
        found: String,
        /// The architecture.
        arch: String,
    },
}

impl BundleError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::File { action: "write", .. } => {
                "check the path and the permissions of its folder".to_owned()
            }
            Self::File { .. } => "check the path and its permissions".to_owned(),
            Self::DiskFull { .. } => {
                "free some space, or name a file on another disk: `netlab bundle FILE`; a bundle \
                 needs 80 MB for each architecture"
                    .to_owned()
            }
            Self::Taken { path } => {
                let path = path.display();
                format!(
                    "name another file, or move that one away; to take a lab along, write `--lab {path}`"
                )
            }
            Self::NotABundle { .. } => {
                "name a file that `netlab bundle` has written; if something has compressed it, \
                 unpack it first"
                    .to_owned()
            }
            Self::OtherFormat { .. } => {
                "make it anew with this version: `netlab bundle`".to_owned()
            }
            Self::CutShort { .. } | Self::Altered { .. } => {
                "copy it anew, and compare its SHA-256 with the one that `netlab bundle` told"
                    .to_owned()
            }
            Self::Stray { .. } => {
                "do not use it: `netlab bundle` did not write it; ask for another one".to_owned()
            }
            Self::OtherArch { wanted, .. } => format!(
                "make one with `netlab bundle --arch {wanted}`, or start a guest that it is for \
                 with `--arch`"
            ),
            Self::OtherLock { .. } => {
                "make one with this version of netlab: `netlab bundle`; where it was made with \
                 `--image-lock FILE`, use it with the same"
                    .to_owned()
            }
        }
    }

    /// What became of reading the file.
    pub(super) fn reading(path: &Path, source: io::Error) -> Self {
        Self::File { action: "read", path: path.to_owned(), source }
    }

    /// What became of writing the file.
    pub(super) fn writing(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::File { action: "write", path, source },
        }
    }
}
