//! The files of state as a whole: put in their place, read and removed. The rule: a reader sees the old file
//! or the new one, and no more of it than a file of netlab's own can have.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use serde::Serialize;

use super::InstanceError;

/// Largest file of state that is read, in bytes. The largest of them, verdicts and what describes a
/// checkpoint, have some kilobytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Puts `bytes` at `path` so that a reader sees the old file or the new one, never a half, and
/// nobody but the user can read it.
///
/// # Errors
/// [`InstanceError::File`].
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), InstanceError> {
    let failed = |source| InstanceError::File { action: "write", path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    // Temporary files are made with mode 0600, and the mode stays with the rename.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Puts a value at `path` as JSON, as [`replace_file`] does.
///
/// # Errors
/// [`InstanceError::File`].
pub fn replace_json<T: Serialize>(path: &Path, value: &T) -> Result<(), InstanceError> {
    let text = serde_json::to_vec_pretty(value).map_err(|error| InstanceError::File {
        action: "write",
        path: path.to_owned(),
        source: error.into(),
    })?;
    replace_file(path, &text)
}

/// Reads a file of netlab's own, `None` if it is not there.
///
/// # Errors
/// [`InstanceError::File`], [`InstanceError::TooLarge`].
pub fn read_file(path: &Path) -> Result<Option<Vec<u8>>, InstanceError> {
    let failed = |source| InstanceError::File { action: "read", path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let length = file.metadata().map_err(failed)?.len();
    // All at once: a key that is read must leave no copies behind where memory was given more room.
    let mut bytes = Vec::with_capacity(length.min(MAX_FILE_BYTES) as usize + 1);
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(InstanceError::TooLarge { path: path.to_owned(), limit: MAX_FILE_BYTES });
    }
    Ok(Some(bytes))
}

/// Removes a file; one that is not there is as good as removed.
///
/// # Errors
/// [`InstanceError::File`].
pub fn remove_file(path: &Path) -> Result<(), InstanceError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(InstanceError::File { action: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace_file(&path, b"first").unwrap();
        replace_file(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_without_end_is_refused_and_no_directory_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(read_file(&path).unwrap(), None);
        replace_file(&path, &vec![b' '; 1 << 20]).unwrap();
        assert_eq!(read_file(&path).unwrap().unwrap().len(), 1 << 20);
        File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        let error = read_file(&path).unwrap_err();
        assert_eq!(
            error.to_string().replace(&path.display().to_string(), "F"),
            "`F` is larger than 1048576 bytes, and no file of netlab's own is"
        );
        assert!(read_file(folder.path()).is_err());
    }
}
