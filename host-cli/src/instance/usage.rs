//! What has been done in a guest since it was fresh, as empty files in its instance's folder. The
//! rule: the mark is there before the deed, so that nothing is swapped away that nobody knew of.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{InstanceError, InstancePaths, replace_file};

/// What has been done in a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// Nothing.
    Clean,
    /// Labs have run in it, and no more.
    Lab,
    /// The user may have worked in it.
    Own,
}

impl Use {
    /// What has been done in the instance's guest.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn of(paths: &InstancePaths) -> Result<Self, InstanceError> {
        if is_there(&paths.work_mark())? || is_there(&paths.ssh_mark())? {
            return Ok(Self::Own);
        }
        Ok(if is_there(&paths.lab_mark())? { Self::Lab } else { Self::Clean })
    }
}

/// Notes down that a lab runs in the guest.
///
/// # Errors
/// [`InstanceError::File`].
pub fn mark_lab(paths: &InstancePaths) -> Result<(), InstanceError> {
    mark(&paths.lab_mark())
}

/// Notes down that the user works in the guest.
///
/// # Errors
/// [`InstanceError::File`].
pub fn mark_work(paths: &InstancePaths) -> Result<(), InstanceError> {
    mark(&paths.work_mark())
}

/// Notes down that programs of the user's know the way into the guest. The next guest of the name has
/// the same port and keys, so the way leads there too, and we don't see who takes it: this mark stays
/// with the keys.
///
/// # Errors
/// [`InstanceError::File`].
pub fn mark_ssh(paths: &InstancePaths) -> Result<(), InstanceError> {
    mark(&paths.ssh_mark())
}

fn mark(path: &Path) -> Result<(), InstanceError> {
    replace_file(path, b"")
}

fn is_there(path: &Path) -> Result<bool, InstanceError> {
    let failed = |source| InstanceError::File { action: "look for", path: path.to_owned(), source };
    path.try_exists().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::Home;

    #[test]
    fn work_outweighs_labs_and_a_way_in_outlives_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        assert_eq!(Use::of(&paths).unwrap(), Use::Clean);
        paths.create_folder().unwrap();
        mark_lab(&paths).unwrap();
        assert_eq!(Use::of(&paths).unwrap(), Use::Lab);
        mark_work(&paths).unwrap();
        assert_eq!(Use::of(&paths).unwrap(), Use::Own);
        paths.clear_machine().unwrap();
        assert_eq!(Use::of(&paths).unwrap(), Use::Clean);
        mark_ssh(&paths).unwrap();
        paths.clear_machine().unwrap();
        assert_eq!(Use::of(&paths).unwrap(), Use::Own);
        paths.clear_run().unwrap();
        assert_eq!(Use::of(&paths).unwrap(), Use::Clean);
    }
}
