//! Templates: guests that were booted once and saved, from which others go on. The rule: a template
//! is written aside and renamed when it is whole, is never written again, and is never trusted
//! before its digests have been found right. They lie beside the files, so they tell of accidents; who
//! may write to the cache may start what he likes in any case.
//!
//! ```text
//! <cache>/templates/w/                    the workshop: an instance's folder  provider/qemu/making
//! <cache>/templates/.new-<uuid>/          one that is being made
//! <cache>/templates/<key>/ram             the guest's memory (only for clones)
//! <cache>/templates/<key>/state           its devices; without `ram` its memory as well, packed
//! <cache>/templates/<key>/template.json   what it is, and the digests of both
//! ```

mod digest;
mod error;
mod key;
mod shelf;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use netlab_fault as fault;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

pub use error::TemplateError;
pub use key::{Ingredients, Key, Source};
pub use shelf::Shelved;

use crate::instance::{Home, InstanceLock, read_file, replace_file};
use crate::platform;
use crate::provider::Tier;

/// Version of `template.json`.
const RECORD_VERSION: u32 = 2;

/// How the name of a folder begins that is not a template, or not yet or no more.
const UNFINISHED_PREFIX: &str = ".new-";

/// The guest's memory.
const RAM: &str = "ram";
/// The guest's state.
const STATE: &str = "state";
/// What the template is.
const RECORD: &str = "template.json";

/// What a template consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Memory and devices in a file each, to be mapped.
    Memory,
    /// Both in one packed file, to be read.
    Stream,
}

impl Form {
    /// What a tier goes on from.
    pub fn of(tier: Tier) -> Self {
        match tier {
            Tier::Clone => Self::Memory,
            Tier::Restore | Tier::Cold => Self::Stream,
        }
    }

    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Memory => &[RAM, STATE],
            Self::Stream => &[STATE],
        }
    }
}

/// What `template.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    form: Form,
    /// What of its ingredients grows old.
    source: Source,
    /// Seconds since 1970.
    made: u64,
    files: Vec<FileRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRecord {
    name: String,
    bytes: u64,
    digest: String,
}

/// All templates of a cache.
#[derive(Debug, Clone)]
pub struct Templates {
    folder: PathBuf,
}

/// What is there under a key.
#[derive(Debug, Clone)]
pub enum Found {
    /// Nothing.
    Absent,
    /// A template, as far as can be seen without reading it.
    Whole(Template),
    /// Something that is none.
    Broken {
        /// What is wrong with it.
        problem: String,
    },
}

impl Templates {
    /// Those of a home.
    pub fn of(home: &Home) -> Self {
        Self { folder: home.templates() }
    }

    /// Looks for a template.
    ///
    /// # Errors
    /// [`TemplateError::File`].
    pub fn find(&self, key: &Key) -> Result<Found, TemplateError> {
        let folder = self.folder.join(key.as_str());
        if let Err(error) = folder.symlink_metadata()
            && error.kind() == io::ErrorKind::NotFound
        {
            return Ok(Found::Absent);
        }
        let found = Record::read(&folder).and_then(|record| {
            let template =
                Template { key: key.clone(), folder: folder.clone(), record: record.into() };
            template.look().map(|()| template)
        });
        match found {
            Ok(template) => {
                touch(&folder.join(RECORD))?;
                Ok(Found::Whole(template))
            }
            Err(damage) => Ok(Found::Broken { problem: damage.to_string() }),
        }
    }

    /// Makes a folder for a new template, which goes unless the template is finished. The lock is
    /// the workshop's.
    ///
    /// # Errors
    /// [`TemplateError::File`].
    pub fn draft(&self, _workshop: &InstanceLock) -> Result<Draft, TemplateError> {
        let failed = |source| TemplateError::file("make a folder in", &self.folder, source);
        platform::create_private_folder(&self.folder).map_err(failed)?;
        let made = tempfile::Builder::new().prefix(UNFINISHED_PREFIX).tempdir_in(&self.folder);
        Ok(Draft { folder: made.map_err(failed)? })
    }

    /// Throws a template away, whatever its state.
    ///
    /// # Errors
    /// [`TemplateError::File`].
    pub fn discard(&self, key: &Key) -> Result<(), TemplateError> {
        self.remove(key.as_str())
    }

    /// Removes what killed netlabs left unfinished. Returns, in words, what was removed. The lock
    /// is the workshop's: who has it knows that nobody makes one.
    ///
    /// # Errors
    /// [`TemplateError::File`].
    pub fn sweep(&self, _workshop: &InstanceLock) -> Result<Vec<String>, TemplateError> {
        let failed = |source| TemplateError::file("read", &self.folder, source);
        let mut swept = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(swept),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            if !entry.file_name().to_string_lossy().starts_with(UNFINISHED_PREFIX) {
                continue;
            }
            let path = entry.path();
            fs::remove_dir_all(&path)
                .map_err(|source| TemplateError::file("remove", &path, source))?;
            swept.push("a half-made template that an earlier netlab had left".to_owned());
        }
        Ok(swept)
    }
}

impl Record {
    fn read(folder: &Path) -> Result<Self, TemplateError> {
        let path = folder.join(RECORD);
        let gone = || TemplateError::altered(&path, "is gone");
        let text = read_file(&path)?.ok_or_else(gone)?;
        match serde_json::from_slice::<Self>(&text) {
            Ok(record) if record.version == RECORD_VERSION => Ok(record),
            _ => Err(TemplateError::altered(&path, "is no record of this netlab")),
        }
    }
}

/// Notes that a template is used now, by the time of its record.
fn touch(record: &Path) -> Result<(), TemplateError> {
    let file = OpenOptions::new().append(true).open(record);
    match file.and_then(|file| file.set_modified(SystemTime::now())) {
        // Who may not write here removes nothing either.
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Err(TemplateError::file("write", record, error))
        }
        _ => Ok(()),
    }
}

/// A template that is being made.
#[derive(Debug)]
pub struct Draft {
    folder: TempDir,
}

impl Draft {
    /// Where it is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file for the guest's memory.
    pub fn ram(&self) -> PathBuf {
        self.folder().join(RAM)
    }

    /// The file for its state.
    pub fn state(&self) -> PathBuf {
        self.folder().join(STATE)
    }

    /// Takes the digests and makes it a template. `opened_for_writing` says that QEMU opens the
    /// memory file for writing even where it only copies from it; only root may so open a file
    /// that nobody may write. Blocks.
    ///
    /// # Errors
    /// [`TemplateError::File`].
    pub fn finish(
        self,
        templates: &Templates,
        key: &Key,
        form: Form,
        opened_for_writing: bool,
    ) -> Result<Template, TemplateError> {
        let mut files = Vec::new();
        for &name in form.files() {
            let path = self.folder().join(name);
            let failed = |source| TemplateError::file("finish", &path, source);
            let written = File::open(&path).map_err(failed)?;
            // The guest has overwritten all of its free memory: what is left of that is holes.
            let mut file = tempfile::NamedTempFile::new_in(self.folder()).map_err(failed)?;
            let digest = digest::copy(&written, file.as_file_mut()).map_err(failed)?;
            let file = file.persist(&path).map_err(|error| failed(error.error))?;
            let bytes = file.metadata().map_err(failed)?.len();
            file.sync_all().map_err(failed)?;
            let writable = name == RAM && opened_for_writing && !platform::is_root();
            platform::make_private(&file, !writable).map_err(failed)?;
            files.push(FileRecord { name: name.to_owned(), bytes, digest });
        }
        let made = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let source = key.source().clone();
        let record = Record { version: RECORD_VERSION, form, source, made, files };
        let path = self.folder().join(RECORD);
        let text = serde_json::to_vec_pretty(&record)
            .map_err(|source| TemplateError::file("write", &path, source.into()))?;
        replace_file(&path, &text)?;
        let folder = templates.folder.join(key.as_str());
        fault::reach(fault::Phase::TemplateDrafted);
        fs::rename(self.folder(), &folder)
            .map_err(|source| TemplateError::file("rename", self.folder(), source))?;
        // Under its old name there is nothing left to remove.
        let _ = self.folder.keep();
        Ok(Template { key: key.clone(), folder, record: record.into() })
    }
}

/// A template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    key: Key,
    folder: PathBuf,
    record: Box<Record>,
}

impl Template {
    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it consists of.
    pub fn form(&self) -> Form {
        self.record.form
    }

    /// Its key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The guest's memory.
    pub fn ram(&self) -> PathBuf {
        self.folder.join(RAM)
    }

    /// The guest's state.
    pub fn state(&self) -> PathBuf {
        self.folder.join(STATE)
    }

    /// Whether its files are there and of the right size.
    fn look(&self) -> Result<(), TemplateError> {
        if self.record.source != *self.key.source() {
            return Err(TemplateError::altered(&self.folder.join(RECORD), "is of another one"));
        }
        let names: Vec<_> = self.record.files.iter().map(|file| file.name.as_str()).collect();
        if names != self.record.form.files() {
            return Err(TemplateError::altered(&self.folder.join(RECORD), "names other files"));
        }
        for file in &self.record.files {
            let path = self.folder.join(&file.name);
            let found = match fs::symlink_metadata(&path) {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(TemplateError::altered(&path, "is gone"));
                }
                Err(error) => return Err(TemplateError::file("look at", &path, error)),
            };
            if !found.is_file() {
                return Err(TemplateError::altered(&path, "is no plain file"));
            }
            if !platform::is_private(&found) {
                return Err(TemplateError::altered(&path, "is open to others"));
            }
            if found.len() != file.bytes {
                return Err(TemplateError::altered(&path, "has another size"));
            }
        }
        Ok(())
    }

    /// Checks that its files are what was saved. Blocks for some ten milliseconds.
    ///
    /// # Errors
    /// [`TemplateError::Altered`], [`TemplateError::File`].
    pub fn verify(&self) -> Result<(), TemplateError> {
        self.look()?;
        for file in &self.record.files {
            let path = self.folder.join(&file.name);
            let failed = |source| TemplateError::file("read", &path, source);
            let opened = File::open(&path).map_err(failed)?;
            if digest::of(&opened).map_err(failed)? != file.digest {
                return Err(TemplateError::altered(&path, "is not what was saved"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
