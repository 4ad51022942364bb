//! Calls that Linux and macOS share. Its twin `os_windows` has the same functions.

use std::fs::{DirBuilder, File, Metadata, Permissions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};

use super::Exposure;

/// A connection to a character device of QEMU.
pub type Connection = UnixStream;

/// Connects to the Unix socket at `address`.
///
/// # Errors
/// What the system says; `NotFound` and `ConnectionRefused` mean that QEMU doesn't listen yet.
pub async fn connect(address: &str) -> io::Result<Connection> {
    UnixStream::connect(address).await
}

/// A socket that QEMU connects to.
pub struct Listener {
    socket: UnixListener,
}

impl Listener {
    /// Makes the Unix socket at `address`.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(address: &str) -> io::Result<Self> {
        UnixListener::bind(address).map(|socket| Self { socket })
    }

    /// Waits for QEMU.
    ///
    /// # Errors
    /// What the system says.
    pub async fn accept(&self) -> io::Result<Connection> {
        self.socket.accept().await.map(|(connection, _)| connection)
    }
}

/// Makes the command's process outlive this one: a closed terminal or a Ctrl-C must not reach it.
pub fn detach(command: &mut Command) {
    // Both are signals to the terminal's foreground group, or to those that a shell has made, and
    // a group of its own is neither. (A session of its own takes an `unsafe` call and adds nothing
    // to a process that has no terminal open.)
    command.process_group(0);
}

/// Returns when the user or the system asks this process to end: Ctrl-C, `kill`, a closed terminal.
///
/// # Errors
/// The system takes no handler.
pub async fn interrupted() -> io::Result<()> {
    let mut asked = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
        .into_iter()
        .map(signal)
        .collect::<io::Result<Vec<_>>>()?;
    let waiting = asked.iter_mut().map(|signal| Box::pin(signal.recv()));
    futures::future::select_all(waiting).await;
    Ok(())
}

/// Whether `file`, opened a while ago, is still the one at `path`.
///
/// # Errors
/// What the system says, except that a missing `path` is a plain `false`.
pub fn still_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match path.metadata() {
        Ok(there) => Ok(ours.dev() == there.dev() && ours.ino() == there.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where a file has data; the rest reads as zeros and takes no space.
///
/// # Errors
/// What the system says.
pub fn data_ranges(file: &File) -> io::Result<Vec<Range<u64>>> {
    let size = file.metadata()?.len();
    let mut ranges = Vec::new();
    let mut end = 0;
    while end < size {
        let start = match lseek(file, end.cast_signed(), Whence::SeekData) {
            Ok(start) => start.cast_unsigned(),
            // Nothing but a hole is left.
            Err(Errno::ENXIO) => break,
            Err(error) => return Err(error.into()),
        };
        // The end of the file counts as the beginning of a hole.
        end = lseek(file, start.cast_signed(), Whence::SeekHole)?.cast_unsigned();
        ranges.push(start..end);
    }
    Ok(ranges)
}

/// Reads from a place in a file, which several threads may do at once.
///
/// # Errors
/// What the system says.
pub fn read_exact_at(file: &File, bytes: &mut [u8], start: u64) -> io::Result<()> {
    FileExt::read_exact_at(file, bytes, start)
}

/// Makes a file this user's alone.
///
/// # Errors
/// What the system says.
pub fn make_private(file: &File, read_only: bool) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(if read_only { 0o400 } else { 0o600 }))
}

/// Whether a file is closed to all others.
pub fn is_private(file: &Metadata) -> bool {
    file.mode() & 0o077 == 0
}

/// Bytes that a file takes on its disk, holes not counted.
pub fn space_of(file: &Metadata) -> u64 {
    /// The unit of `st_blocks`, whatever the disk's own is (stat(2)).
    const BLOCK_BYTES: u64 = 512;
    file.blocks() * BLOCK_BYTES
}

/// Makes a folder and those above it, for this user alone. One that is there is left as it is.
///
/// # Errors
/// What the system says.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Says who else may change what is in a folder, if anybody may. A group is left out: many systems
/// give each user one of their own.
///
/// # Errors
/// What the system says; a folder that is not there is nobody's.
pub fn exposure(path: &Path) -> io::Result<Option<Exposure>> {
    let me = nix::unistd::geteuid().as_raw();
    // The link as well as what it leads to: whoever owns it can let it lead elsewhere.
    for look in [Path::symlink_metadata, Path::metadata] {
        match look(path) {
            Ok(found) => {
                let exposed = exposed(found.uid(), found.mode(), found.is_symlink(), me);
                if exposed.is_some() {
                    return Ok(exposed);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn exposed(owner: u32, mode: u32, is_link: bool, me: u32) -> Option<Exposure> {
    /// Root can change everything anyway.
    const ROOT: u32 = 0;
    /// The right of all others to write (stat(2)). A link's mode means nothing.
    const OTHERS_WRITE: u32 = 0o002;
    if owner != me && owner != ROOT {
        return Some(Exposure::Account { id: owner });
    }
    (!is_link && mode & OTHERS_WRITE != 0).then_some(Exposure::Everybody)
}

/// Makes sure that the names in a folder are on the disk.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Whether this process may do everything.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_exposed_by_another_owner_or_to_everybody_who_may_write() {
        let other = Some(Exposure::Account { id: 1001 });
        for (owner, mode, is_link, expected) in [
            (1000, 0o40_700, false, None),
            (1000, 0o40_775, false, None),
            (0, 0o40_755, false, None),
            (1000, 0o40_777, false, Some(Exposure::Everybody)),
            (0, 0o41_777, false, Some(Exposure::Everybody)),
            (1001, 0o40_755, false, other),
            (1000, 0o120_777, true, None),
            (1001, 0o120_777, true, other),
        ] {
            assert_eq!(exposed(owner, mode, is_link, 1000), expected, "{owner} {mode:o}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_nobodys_and_one_behind_a_link_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        assert_eq!(exposure(&link).unwrap(), None);
        std::os::unix::fs::symlink(&target, &link).unwrap();
        create_private_folder(&target).unwrap();
        assert_eq!(exposure(&link).unwrap(), None);
        std::fs::set_permissions(&target, Permissions::from_mode(0o777)).unwrap();
        assert_eq!(exposure(&link).unwrap(), Some(Exposure::Everybody));
    }
}
