//! Verdicts of earlier trials, on disk. The rule: a verdict holds only under the circumstances in
//! which the trial was made, and every one of them can be had again by another trial.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::instance::{InstanceError, read_file, replace_json};

/// Version of the file. One with another version is as good as none.
const FILE_VERSION: u32 = 1;

/// Verdicts that are kept: a few QEMUs and kernels times what is tried with each.
const KEPT_VERDICTS: usize = 32;

/// A file of verdicts `V`, each under its circumstances `C`.
pub struct Verdicts<C, V> {
    path: PathBuf,
    kept: Vec<Kept<C, V>>,
    /// Held by whoever is about to change the file.
    _lock: Option<File>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept<C, V> {
    circumstances: C,
    #[serde(flatten)]
    verdict: V,
}

#[derive(Serialize, Deserialize)]
struct VerdictFile<C, V> {
    version: u32,
    verdicts: Vec<Kept<C, V>>,
}

impl<C, V> Verdicts<C, V>
where
    C: PartialEq + Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// Reads the file; one that is missing or not ours to read holds no verdicts.
    ///
    /// # Errors
    /// [`InstanceError::File`], [`InstanceError::TooLarge`].
    pub fn read(path: &Path) -> Result<Self, InstanceError> {
        let text = read_file(path)?.unwrap_or_default();
        let file = serde_json::from_slice::<VerdictFile<C, V>>(&text).ok();
        let file = file.filter(|file| file.version == FILE_VERSION);
        let kept = file.map(|file| file.verdicts).unwrap_or_default();
        Ok(Self { path: path.to_owned(), kept, _lock: None })
    }

    /// Reads the file while nobody else changes it, until this is dropped.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn read_to_change(path: &Path) -> Result<Self, InstanceError> {
        let beside = path.with_extension("lock");
        let failed = |source| InstanceError::File { action: "lock", path: beside.clone(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&beside);
        let file = file.map_err(failed)?;
        // Others hold it for as long as it takes to write a page.
        file.lock().map_err(failed)?;
        Ok(Self { _lock: Some(file), ..Self::read(path)? })
    }

    /// The verdict of an earlier trial under the same circumstances.
    pub fn find(&self, circumstances: &C) -> Option<&V> {
        let kept = self.kept.iter().find(|kept| kept.circumstances == *circumstances);
        kept.map(|kept| &kept.verdict)
    }

    /// Keeps a verdict in place of an earlier one; `None` only forgets that.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn keep(&mut self, circumstances: C, verdict: Option<V>) -> Result<(), InstanceError> {
        self.kept.retain(|kept| kept.circumstances != circumstances);
        if let Some(verdict) = verdict {
            self.kept.insert(0, Kept { circumstances, verdict });
            self.kept.truncate(KEPT_VERDICTS);
        }
        let failed =
            |source| InstanceError::File { action: "write", path: self.path.clone(), source };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let verdicts = std::mem::take(&mut self.kept);
        let file = VerdictFile { version: FILE_VERSION, verdicts };
        let written = replace_json(&self.path, &file);
        self.kept = file.verdicts;
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::replace_file;

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    struct Here {
        qemu: String,
    }

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(tag = "verdict", rename_all = "snake_case")]
    enum Verdict {
        Works,
        Fails { reason: String },
    }

    fn here(qemu: &str) -> Here {
        Here { qemu: qemu.to_owned() }
    }

    #[test]
    fn verdicts_outlive_the_run_and_belong_to_their_circumstances() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache").join("accel.json");
        let hung = Verdict::Fails { reason: "it hung".to_owned() };
        let mut verdicts = Verdicts::read(&path).unwrap();
        verdicts.keep(here("a"), Some(hung.clone())).unwrap();
        verdicts.keep(here("b"), Some(Verdict::Works)).unwrap();
        let mut verdicts = Verdicts::read(&path).unwrap();
        assert_eq!(verdicts.find(&here("a")), Some(&hung));
        assert_eq!(verdicts.find(&here("b")), Some(&Verdict::Works));
        assert_eq!(verdicts.find(&here("c")), None);
        verdicts.keep(here("a"), None).unwrap();
        let found = Verdicts::<Here, Verdict>::read(&path).unwrap();
        assert_eq!(found.find(&here("a")), None, "it is tried again");
    }

    #[test]
    fn a_file_that_is_not_ours_to_read_holds_no_verdicts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accel.json");
        for text in ["", "{", r#"{"version":2,"verdicts":[]}"#] {
            replace_file(&path, text.as_bytes()).unwrap();
            assert_eq!(Verdicts::<Here, Verdict>::read(&path).unwrap().kept, []);
        }
    }
}
