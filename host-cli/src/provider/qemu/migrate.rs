//! A guest's state on its way out of QEMU and into another. The rule: it goes over a Unix socket
//! whose other end netlab holds. QEMU's `exec:` would hand a path to a shell, and its `file:` is
//! younger than many a QEMU (8.2).

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy_buf};
use tokio::time::{Instant, timeout};

use super::error::QemuError;
use super::qmp::{Migration, Qmp, QmpError};
use crate::platform::{self, Listener};

/// Time for QEMU to connect, and to say at the end that all went well.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Longest time that a guest runs on while its state is written: one that changes its memory faster
/// than it can be written would never be done.
const RUNS_ON_AT_MOST: Duration = Duration::from_secs(4);

/// Longest time that the rest may take once the guest stands still. Its whole memory is 512 MiB; who
/// takes less than 50 MB a second of it, such as a disk that hangs, would keep it standing for ever.
const STANDS_AT_MOST: Duration = Duration::from_secs(10);

/// Time between two questions how far QEMU has come.
const ASK_EVERY: Duration = Duration::from_millis(1);

/// Bytes that are read at once: a socket's whole buffer.
const PIECE_BYTES: usize = 256 << 10;

/// What a saved state contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Processors and devices; the memory lies in a file of its own.
    Devices,
    /// The memory as well.
    Everything,
}

/// Stops a guest and writes its state to `sink`. It stays stopped.
///
/// # Errors
/// What [`save_running`] says.
pub async fn save(
    client: &mut Qmp,
    socket: &Path,
    contents: Contents,
    sink: &mut (dyn AsyncWrite + Send + Unpin),
    target: &Path,
) -> Result<(), QemuError> {
    let failed = |source| QemuError::Control { doing: "can't save the guest's state", source };
    client.stop().await.map_err(failed)?;
    save_running(client, socket, contents, sink, target).await
}

/// Writes a guest's state to `sink` while it runs: what it changes meanwhile is written once more,
/// and it stands still for the last of it and from then on. QEMU lets it run on after an error.
///
/// # Errors
/// [`QemuError::Control`], [`QemuError::NotSaved`], [`QemuError::File`] for what `sink` says, with
/// `target` as its name.
pub async fn save_running(
    client: &mut Qmp,
    socket: &Path,
    contents: Contents,
    sink: &mut (dyn AsyncWrite + Send + Unpin),
    target: &Path,
) -> Result<(), QemuError> {
    let failed = |source| QemuError::Control { doing: "can't save the guest's state", source };
    let socket = Socket::at(socket)?;
    let listener = Listener::bind(&socket.address()).map_err(socket.failed("listen at"))?;
    client.leave_out_memory(contents == Contents::Devices).await.map_err(failed)?;
    client.migrate(&socket.uri()).await.map_err(failed)?;
    let Ok(connection) = timeout(ANSWER_WITHIN, listener.accept()).await else {
        return Err(not_saved(client).await.map_err(failed)?);
    };
    let connection = connection.map_err(socket.failed("accept QEMU at"))?;
    let mut state = tokio::io::BufReader::with_capacity(PIECE_BYTES, connection);
    let write = async {
        copy_buf(&mut state, sink).await?;
        sink.flush().await
    };
    let mut write = std::pin::pin!(write);
    let written = match timeout(RUNS_ON_AT_MOST, &mut write).await {
        Ok(written) => written,
        Err(_) => {
            client.stop().await.map_err(failed)?;
            match timeout(STANDS_AT_MOST, write).await {
                Ok(written) => written,
                Err(_) => {
                    client.migrate_cancel().await.map_err(failed)?;
                    Err(ErrorKind::TimedOut.into())
                }
            }
        }
    };
    written.map_err(|source| QemuError::File {
        action: "write",
        path: target.to_owned(),
        source,
    })?;
    let deadline = Instant::now() + ANSWER_WITHIN;
    loop {
        match client.migration().await.map_err(failed)? {
            Migration::Completed => return Ok(()),
            Migration::Failed(reason) => return Err(QemuError::NotSaved { reason }),
            Migration::Underway if Instant::now() < deadline => {
                tokio::time::sleep(ASK_EVERY).await;
            }
            Migration::Underway => {
                client.migrate_cancel().await.map_err(failed)?;
                let reason = "it did not come to an end".to_owned();
                return Err(QemuError::NotSaved { reason });
            }
        }
    }
}

/// Loads a state into a QEMU that was started for it and lets the guest run.
///
/// # Errors
/// [`QemuError::Control`], [`QemuError::File`] for what `source` says, with `origin` as its name. A
/// QEMU that can't make anything of the state ends, which shows at its process.
pub async fn load(
    client: &mut Qmp,
    socket: &Path,
    contents: Contents,
    source: &mut (dyn AsyncRead + Send + Unpin),
    origin: &Path,
) -> Result<(), QemuError> {
    let failed = |source| QemuError::Control { doing: "can't load the guest's state", source };
    let socket = Socket::at(socket)?;
    client.leave_out_memory(contents == Contents::Devices).await.map_err(failed)?;
    client.migrate_incoming(&socket.uri()).await.map_err(failed)?;
    let connection = platform::connect(&socket.address()).await;
    let mut connection = connection.map_err(socket.failed("connect to QEMU at"))?;
    let mut state = tokio::io::BufReader::with_capacity(PIECE_BYTES, source);
    let read = async {
        copy_buf(&mut state, &mut connection).await?;
        connection.shutdown().await
    };
    read.await.map_err(|source| match source.kind() {
        // QEMU has let go of it.
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::NotConnected => {
            failed(QmpError::Broken { command: "migrate-incoming".to_owned(), source })
        }
        _ => QemuError::File { action: "read", path: origin.to_owned(), source },
    })?;
    // A guest that was saved while it was stopped is stopped again once all is loaded.
    while client.status().await.map_err(failed)? == "inmigrate" {
        tokio::time::sleep(ASK_EVERY).await;
    }
    client.go_on().await.map_err(failed)
}

/// Why QEMU did not connect.
async fn not_saved(client: &mut Qmp) -> Result<QemuError, QmpError> {
    let reason = match client.migration().await? {
        Migration::Failed(reason) => reason,
        Migration::Underway | Migration::Completed => "it did not begin".to_owned(),
    };
    Ok(QemuError::NotSaved { reason })
}

/// The socket's file, removed when it has served.
struct Socket {
    path: PathBuf,
}

impl Socket {
    fn at(path: &Path) -> Result<Self, QemuError> {
        let socket = Self { path: path.to_owned() };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(socket.failed("remove")(error))
            }
            // One that a killed netlab left.
            _ => Ok(socket),
        }
    }

    fn address(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    fn uri(&self) -> String {
        format!("unix:{}", self.address())
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> QemuError {
        let path = self.path.clone();
        move |source| QemuError::File { action, path, source }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // What can't be removed now is removed by the next use.
        let _ = std::fs::remove_file(&self.path);
    }
}
