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

/// Makes sure that the names in a folder are on the disk.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Whether this process may do everything.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
