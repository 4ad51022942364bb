//! Reads a file that a lab names. It may be anything: a pipe without a writer must not stop the
//! agent's one thread, and a device without an end must not fill its memory.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::libc;
use tokio::task::spawn_blocking;

use crate::error::Error;

/// Returns what is in a regular file of at most `limit` bytes; `None` if there is no such file.
///
/// # Errors
/// [`Error::Content`] if it is something else or larger, [`Error::File`] if it can't be read.
pub async fn read(path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let owned = PathBuf::from(path);
    let read = spawn_blocking(move || read_now(&owned, limit)).await;
    read.map_err(|stopped| Error::file("read", Path::new(path))(io::Error::other(stopped)))?
}

fn read_now(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let wrong = |problem| Error::Content { path: path.to_owned(), problem };
    let failed = |source| Error::file("read", path)(source);
    // Without the flag, opening a pipe waits for a writer.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(wrong("it is no regular file".to_owned()));
    }
    let mut content = Vec::new();
    // It may grow while it is read, hence not its length.
    let count = file.take(limit + 1).read_to_end(&mut content).map_err(failed)?;
    if count as u64 > limit {
        return Err(wrong(format!("it is larger than {limit} bytes")));
    }
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[tokio::test]
    async fn only_a_regular_file_of_a_bounded_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, pipe) = (folder.path().join("plain"), folder.path().join("pipe"));
        File::create(&plain).unwrap().write_all(b"12345").unwrap();
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        let (plain, pipe) = (plain.to_str().unwrap(), pipe.to_str().unwrap());
        assert_eq!(read(plain, 5).await.unwrap().as_deref(), Some(&b"12345"[..]));
        assert!(read(&format!("{plain}.not"), 5).await.unwrap().is_none());
        for (path, limit, problem) in [
            (plain, 4, "it is larger than 4 bytes"),
            (pipe, 5, "it is no regular file"),
            ("/dev/zero", 5, "it is no regular file"),
            ("/", 5, "it is no regular file"),
        ] {
            let words = format!("could not read `{path}`: {problem}");
            assert_eq!(read(path, limit).await.unwrap_err().to_string(), words);
        }
    }
}
