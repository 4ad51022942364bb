//! What can be wrong with a template.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Exit, Hint};
use crate::instance::InstanceError;

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// One of its files is not what was saved.
    #[error("the template's `{}` {how}", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// What is the matter with it, as it stands behind its name.
        how: &'static str,
    },
    /// One of its files can't be used.
    #[error("can't {action} `{}`: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its record can't be read or written.
    #[error(transparent)]
    Record(#[from] InstanceError),
    /// Processes can't be looked at.
    #[error("can't see which templates are in use")]
    Processes(#[from] sysinfo::Error),
    /// What it depends on can't be written down.
    #[error("can't name the template of this QEMU and image")]
    Key(#[from] serde_json::Error),
}

impl TemplateError {
    pub(super) fn altered(path: &Path, how: &'static str) -> Self {
        Self::Altered { path: path.to_owned(), how }
    }

    pub(super) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.to_owned(), source }
    }
}

impl Hint for TemplateError {
    fn hint(&self) -> String {
        match self {
            Self::Altered { .. } => {
                "`netlab image prune --all` throws it away; the next start makes it anew".to_owned()
            }
            Self::File { path, source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                format!("free some space on the disk of `{}`", path.display())
            }
            Self::File { path, .. } => {
                format!("make sure that `{}` is yours, or use `--start cold`", path.display())
            }
            Self::Record(error) => error.hint(),
            Self::Processes(_) => "run netlab where `/proc` is mounted".to_owned(),
            Self::Key(_) => "name a QEMU whose path is Unicode with `--qemu`".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Altered { .. } => Exit::GuestDown,
            Self::File { .. } | Self::Record(_) | Self::Processes(_) | Self::Key(_) => {
                Exit::HostLacks
            }
        }
    }
}
