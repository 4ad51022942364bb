//! The virtio-serial port that carries the conversation with the host.
//!
//! While no host is connected the kernel reports the port as hung up and readable without end, so
//! only changes are waited for: the kernel wakes whoever watches the port when the host's side
//! opens or closes, when bytes come and when there is room again.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use netlab_protocol::boot::{Order, PORT_NAME, Report};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use zeroize::Zeroize as _;

use crate::conversation::Conversation;
use crate::error::InitError;
use crate::signals::Signals;
use crate::wait;

/// Longest time that the kernel may take to find the port: milliseconds even under emulation.
const PORT_LIMIT: Duration = Duration::from_secs(10);

/// Longest time to wait until the host has taken the last words before a power-off.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);

/// The open port.
pub struct BootChannel {
    path: PathBuf,
    port: File,
    changes: Epoll,
    conversation: Conversation,
}

impl BootChannel {
    /// Finds the port by its name and opens it. The number in its path depends on QEMU's other
    /// devices.
    pub fn open() -> Result<Self, InitError> {
        let what = format!("the virtio-serial port `{PORT_NAME}`");
        let path = wait::until(&what, PORT_LIMIT, find_port)?;
        let port = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path)
            .map_err(|cause| InitError::File { doing: "open", path: path.clone(), cause })?;
        let changes = watch_changes(&port)
            .map_err(|cause| InitError::System { doing: "watch the boot channel", cause })?;
        Ok(Self { path, port, changes, conversation: Conversation::default() })
    }

    /// Says something to the host, now if it is there, else when it comes.
    pub fn say(&mut self, report: Report) -> Result<(), InitError> {
        self.conversation.say(report)?;
        self.exchange()
    }

    /// Takes back what no longer holds, so that later hosts aren't told.
    pub fn forget(&mut self, outdated: impl Fn(&Report) -> bool) {
        self.conversation.forget(outdated);
    }

    /// Says the last thing before a power-off and waits, but not for ever, until it is out.
    pub fn say_and_flush(&mut self, report: Report) -> Result<(), InitError> {
        self.say(report)?;
        wait::until("the host", LAST_WORDS_LIMIT, || {
            self.exchange()?;
            let out = self.conversation.connected() && self.conversation.unsent().is_empty();
            Ok(out.then_some(()))
        })
    }

    /// Returns the host's next order, if a whole one has come.
    pub fn next_order(&mut self) -> Result<Option<Order>, netlab_protocol::FrameError> {
        self.conversation.next_order()
    }

    /// Waits until a host comes, goes or says something, a signal comes or `other` can be read,
    /// then moves bytes both ways.
    pub fn wait(
        &mut self,
        signals: &Signals,
        other: Option<BorrowedFd<'_>>,
    ) -> Result<(), InitError> {
        let failed = |cause| InitError::System { doing: "wait for the host", cause };
        let mut watched = vec![
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.changes.0.as_fd(), PollFlags::POLLIN),
        ];
        watched.extend(other.map(|other| PollFd::new(other, PollFlags::POLLIN)));
        poll(&mut watched, PollTimeout::NONE).map_err(failed)?;
        // Taken before looking: a change that comes while we look counts for the next wait.
        self.changes.wait(&mut [EpollEvent::empty()], EpollTimeout::ZERO).map_err(failed)?;
        self.exchange()
    }

    /// Notices whether a host is there and moves what can be moved without waiting.
    fn exchange(&mut self) -> Result<(), InitError> {
        if self.hung_up()? {
            self.conversation.host_is_gone();
            return Ok(());
        }
        self.conversation.host_is_here()?;
        self.write()?;
        self.read()
    }

    fn hung_up(&self) -> Result<bool, InitError> {
        let mut port = [PollFd::new(self.port.as_fd(), PollFlags::empty())];
        poll(&mut port, PollTimeout::ZERO)
            .map_err(|cause| InitError::System { doing: "look at the boot channel", cause })?;
        Ok(port[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)))
    }

    fn write(&mut self) -> Result<(), InitError> {
        while !self.conversation.unsent().is_empty() {
            match self.port.write(self.conversation.unsent()) {
                Ok(count) => self.conversation.sent(count),
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => break,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(self.failed("write to", cause)),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), InitError> {
        let mut buffer = [0; 4096];
        loop {
            match self.port.read(&mut buffer) {
                // The host left between the look and the read.
                Ok(0) => self.conversation.host_is_gone(),
                Ok(count) => {
                    self.conversation.hear(&buffer[..count]);
                    // Keys have passed through here.
                    buffer.zeroize();
                    continue;
                }
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
                Err(cause) => return Err(self.failed("read from", cause)),
            }
            return Ok(());
        }
    }

    fn failed(&self, doing: &'static str, cause: io::Error) -> InitError {
        InitError::File { doing, path: self.path.clone(), cause }
    }
}

/// Returns what can be read after each change of the port, whatever its state is.
fn watch_changes(port: &File) -> nix::Result<Epoll> {
    let changes = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let any = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
    changes.add(port, EpollEvent::new(any, 0))?;
    Ok(changes)
}

/// Looks for the port's name among the kernel's virtio-serial ports.
fn find_port() -> Result<Option<PathBuf>, InitError> {
    let folder = Path::new("/sys/class/virtio-ports");
    let unreadable = |cause| InitError::File { doing: "list", path: folder.to_owned(), cause };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(unreadable(cause)),
    };
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        // The name comes a moment after the port: an unreadable one is looked at again.
        let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
        let device = Path::new("/dev").join(entry.file_name());
        if name.trim() == PORT_NAME && device.exists() {
            return Ok(Some(device));
        }
    }
    Ok(None)
}
