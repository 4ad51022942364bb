//! How far a lab has come, as a file in its instance's folder from the first step to the end. The rule:
//! it outlives netlab, the guest and the connection, so that the next run can offer to go on.

use serde::{Deserialize, Serialize};

use super::{InstanceError, InstancePaths, read_file, remove_file, replace_json};

/// Version of the file. One with another version is as good as none: it costs an offer.
const FILE_VERSION: u32 = 1;

/// A lab that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Id of the lab.
    pub lab: String,
    /// Digest of its plan: in another text the steps have other numbers.
    pub plan: String,
    /// The step that was begun last, by the number that the reader sees.
    pub step: u32,
}

#[derive(Serialize, Deserialize)]
struct ProgressFile {
    version: u32,
    #[serde(flatten)]
    progress: Progress,
}

impl Progress {
    /// Reads what was noted down last; a file that can't be understood says nothing.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn read(paths: &InstancePaths) -> Result<Option<Self>, InstanceError> {
        let Some(text) = read_file(&paths.progress())? else { return Ok(None) };
        let file = serde_json::from_slice::<ProgressFile>(&text).ok();
        Ok(file.filter(|file| file.version == FILE_VERSION).map(|file| file.progress))
    }

    /// Notes it down.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn write(self, paths: &InstancePaths) -> Result<(), InstanceError> {
        let file = ProgressFile { version: FILE_VERSION, progress: self };
        replace_json(&paths.progress(), &file)
    }

    /// Forgets it: the lab has ended.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn remove(paths: &InstancePaths) -> Result<(), InstanceError> {
        remove_file(&paths.progress())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{Home, replace_file};

    #[test]
    fn it_is_read_as_it_was_written_outlives_the_machine_and_costs_nothing_if_it_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        paths.create_folder().unwrap();
        assert_eq!(Progress::read(&paths).unwrap(), None);
        let progress = Progress { lab: "tenants".to_owned(), plan: "0".to_owned(), step: 4 };
        progress.clone().write(&paths).unwrap();
        paths.clear_run().unwrap();
        assert_eq!(Progress::read(&paths).unwrap(), Some(progress));
        for broken in ["", "{", r#"{"version":9,"lab":"a","plan":"0","step":4}"#] {
            replace_file(&paths.progress(), broken.as_bytes()).unwrap();
            assert_eq!(Progress::read(&paths).unwrap(), None, "{broken}");
        }
        Progress::remove(&paths).unwrap();
        Progress::remove(&paths).unwrap();
    }
}
