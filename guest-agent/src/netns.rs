//! Network namespaces: their names, their identity, and work done inside one.
//!
//! `setns` moves a thread, so each piece of work gets a short-lived thread of its own; sockets
//! that it makes stay bound to the namespace and may be handed back.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use netlab_protocol::Place;
use nix::sched::{CloneFlags, setns};
use tokio::sync::oneshot;

use crate::error::Error;

/// Where `ip netns` keeps the names.
const FOLDER: &str = "/run/netns";

/// Per-namespace `/etc` files, which `ip netns exec` lays over `/etc`.
pub const ETC_FOLDER: &str = "/etc/netns";

/// Stack of a thread that only makes a socket or waits on one, in bytes.
const STACK_BYTES: usize = 256 << 10;

/// Returns the file that holds a place's namespace.
pub fn path(place: &Place) -> PathBuf {
    match place {
        Place::Root => PathBuf::from("/proc/self/ns/net"),
        Place::Namespace(name) => Path::new(FOLDER).join(name),
    }
}

/// Opens a place's namespace, for the kernel's calls that want a descriptor of it.
pub fn open(place: &Place) -> Result<File, Error> {
    File::open(path(place)).map_err(|source| Error::Namespace { place: place.clone(), source })
}

/// Returns the inode number that identifies a place's namespace.
pub fn inode(place: &Place) -> Result<u64, Error> {
    let metadata = fs::metadata(path(place))
        .map_err(|source| Error::Namespace { place: place.clone(), source })?;
    Ok(metadata.ino())
}

/// Returns the inode number of a process's namespace; `None` if there is no such process.
pub fn inode_of_process(pid: u32) -> Option<u64> {
    Some(fs::metadata(format!("/proc/{pid}/ns/net")).ok()?.ino())
}

/// Returns the names that `ip netns` lists, sorted.
pub fn names() -> Result<Vec<String>, Error> {
    let folder = Path::new(FOLDER);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file("list", folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::file("list", folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Does blocking work in a place and returns what came of it.
///
/// # Errors
/// [`Error::Namespace`] if the place can't be entered.
pub async fn within<T, W>(place: &Place, work: W) -> Result<T, Error>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    let failed = |source| Error::Namespace { place: place.clone(), source };
    let namespace = match place {
        Place::Root => None,
        Place::Namespace(_) => Some(open(place)?),
    };
    let (answer, answered) = oneshot::channel();
    let entered = move || -> io::Result<T> {
        if let Some(namespace) = namespace {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
        }
        Ok(work())
    };
    let body = move || {
        // The asker may have been cancelled; then nobody wants the answer.
        let _unwanted = answer.send(entered());
    };
    thread::Builder::new().stack_size(STACK_BYTES).spawn(body).map_err(failed)?;
    let gone = |_| io::Error::other("the thread ended without an answer");
    answered.await.map_err(gone).and_then(|result| result).map_err(failed)
}
