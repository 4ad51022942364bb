//! All templates of a cache, to be listed and cleared away. The rule: none goes that a running QEMU
//! names on its command line, since that is the one whose memory it maps.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Form, Key, RECORD, Record, Source, TemplateError, Templates, UNFINISHED_PREFIX};
use crate::platform::{self, CommandLines};

/// Long enough for whoever goes back and forth between two versions of netlab, as with images.
const KEPT_UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// A template as it lies there, sound or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelved {
    /// Name of its folder: the key.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    /// Bytes on the disk.
    pub bytes: u64,
    /// When it was last used.
    pub used: Option<SystemTime>,
    /// What it consists of, and what it was made of; `None` if its record can't be read.
    pub contents: Option<(Form, Source)>,
}

impl Templates {
    /// All templates, by name. What is unfinished is not among them.
    ///
    /// # Errors
    /// [`TemplateError::File`].
    pub fn list(&self) -> Result<Vec<Shelved>, TemplateError> {
        let mut all = Vec::new();
        for (name, path) in entries(&self.folder)? {
            if !Key::is_name(&name) {
                continue;
            }
            let record = path.join(RECORD);
            let used = fs::symlink_metadata(&record).and_then(|record| record.modified()).ok();
            // One that can't be read is listed all the same: it takes space.
            let contents = Record::read(&path).ok().map(|record| (record.form, record.source));
            let bytes = space(&path)?;
            all.push(Shelved { name, path, bytes, used, contents });
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// Bytes of what is being made, or was left half-made.
    ///
    /// # Errors
    /// [`TemplateError::File`].
    pub fn unfinished_bytes(&self) -> Result<u64, TemplateError> {
        let entries = entries(&self.folder)?;
        let unfinished = entries.iter().filter(|(name, _)| name.starts_with(UNFINISHED_PREFIX));
        unfinished.map(|(_, path)| space(path)).sum()
    }

    /// Removes the templates that nobody has used for long. Returns, in words, which could not be.
    ///
    /// # Errors
    /// [`TemplateError::File`], [`TemplateError::Processes`].
    pub fn tidy(&self) -> Result<Vec<String>, TemplateError> {
        let mut all = self.list()?;
        all.retain(|shelved| is_old(shelved.used, SystemTime::now()));
        let mut failures = Vec::new();
        for shelved in all {
            if CommandLines::now()?.mention(&shelved.name) {
                continue;
            }
            if let Err(error) = self.remove(&shelved.name) {
                failures.push(error.to_string());
            }
        }
        Ok(failures)
    }

    /// Removes the template of this name, whatever its state; one that isn't there is none.
    ///
    /// # Errors
    /// [`TemplateError::File`].
    pub fn remove(&self, name: &str) -> Result<(), TemplateError> {
        let folder = self.folder.join(name);
        let failed = |source| TemplateError::file("remove", &folder, source);
        // In a folder of a new name it is nobody's template, and goes whole or with the next sweep.
        let aside = tempfile::Builder::new().prefix(UNFINISHED_PREFIX).tempdir_in(&self.folder);
        let aside = match aside {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            aside => aside.map_err(failed)?,
        };
        match fs::rename(&folder, aside.path().join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(error)),
            Ok(()) => aside.close().map_err(failed),
        }
    }
}

/// What never was used is as old as can be; a time in the future is a matter of the clock.
fn is_old(used: Option<SystemTime>, now: SystemTime) -> bool {
    used.is_none_or(|used| now.duration_since(used).is_ok_and(|age| age > KEPT_UNUSED))
}

/// What is in a folder, which need not be there.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, TemplateError> {
    let failed = |source| TemplateError::file("read", folder, source);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let name =
        |entry: fs::DirEntry| (entry.file_name().to_string_lossy().into_owned(), entry.path());
    entries.map(|entry| entry.map(name).map_err(failed)).collect()
}

/// Bytes of a folder's files. What goes meanwhile takes none.
fn space(folder: &Path) -> Result<u64, TemplateError> {
    let files = entries(folder)?.into_iter();
    let bytes = files.map(|(_, path)| match fs::symlink_metadata(&path) {
        Ok(file) => Ok(platform::space_of(&file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(TemplateError::file("look at", &path, error)),
    });
    bytes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_old_after_a_month_without_use() {
        let now = SystemTime::now();
        let day = Duration::from_secs(24 * 3600);
        assert!(is_old(Some(now - 31 * day), now));
        assert!(!is_old(Some(now - 29 * day), now));
        assert!(!is_old(Some(now + day), now));
        assert!(is_old(None, now));
    }
}
