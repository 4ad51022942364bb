//! What commands print: pipes that survive the agent, and a tap that counts what passes.
//!
//! A command's ends of its pipes are open for reading too. So a daemon that it leaves behind does
//! not die of a broken pipe when the agent is killed; in a lab that is kept, somebody goes on
//! reading, so that it does not wait for ever at a full pipe either. It also means that a pipe
//! may stay open after its command: a command is over when its process is.

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::Stdio;

use netlab_protocol::{Event, Place, Stream};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{pipe2, read};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;

use crate::error::Error;
use crate::exec;
use crate::wire::Outbox;

/// Largest piece of output in one event, in bytes: small enough to arrive as it is printed.
pub const PIECE_BYTES: usize = 32 << 10;

/// How much of one command's output is forwarded, in bytes; the rest is read and counted, so
/// that a flood neither stalls the command nor fills the guest's or the host's memory.
const FORWARDED_BYTES: u64 = 1 << 20;

/// How much standard output is kept for a value or a pattern, in bytes.
const KEPT_BYTES: usize = 64 << 10;

/// How much of the end of standard error is kept for a message, in bytes.
const TAIL_BYTES: usize = 2 << 10;

/// How much is read at most after a command's end, in bytes: a process that it left behind may
/// print for ever. A pipe holds 64 KiB; what the command itself printed is long read by then.
const DRAINED_BYTES: usize = 1 << 20;

/// Makes a pipe: the agent's end, and the command's end for its standard output or error.
pub fn pipe() -> Result<(Receiver, Stdio), Error> {
    let system = |source| Error::System { doing: "make a pipe", source };
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| system(errno.into()))?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", theirs.as_raw_fd()));
    let both = OpenOptions::new().read(true).write(true).open(&path);
    let both = both.map_err(Error::file("open", &path))?;
    let ours = Receiver::from_owned_fd(ours).map_err(system)?;
    Ok((ours, Stdio::from(OwnedFd::from(both))))
}

/// The two pipes of one command, seen from the agent.
#[derive(Debug)]
pub struct Pipes {
    stdout: Receiver,
    stderr: Receiver,
    stdout_buffer: Vec<u8>,
    stderr_buffer: Vec<u8>,
    stdout_is_open: bool,
    stderr_is_open: bool,
}

impl Pipes {
    /// Takes the agent's ends.
    pub fn new(stdout: Receiver, stderr: Receiver) -> Self {
        let buffer = || vec![0; PIECE_BYTES];
        Self {
            stdout,
            stderr,
            stdout_buffer: buffer(),
            stderr_buffer: buffer(),
            stdout_is_open: true,
            stderr_is_open: true,
        }
    }

    /// Says whether anything can still come.
    pub fn are_open(&self) -> bool {
        self.stdout_is_open || self.stderr_is_open
    }

    /// Waits for the next piece of output and passes it on. A pipe that every process of the
    /// command has closed is left alone from then on: it would always be ready.
    ///
    /// # Errors
    /// [`Error::System`] if a pipe can't be read.
    pub async fn forward_next(&mut self, tap: &mut Tap) -> Result<(), Error> {
        let (stream, count, buffer, is_open) = tokio::select! {
            count = self.stdout.read(&mut self.stdout_buffer), if self.stdout_is_open => {
                (Stream::Stdout, count, &self.stdout_buffer, &mut self.stdout_is_open)
            }
            count = self.stderr.read(&mut self.stderr_buffer), if self.stderr_is_open => {
                (Stream::Stderr, count, &self.stderr_buffer, &mut self.stderr_is_open)
            }
            else => std::future::pending().await,
        };
        let count = count.map_err(unreadable)?;
        *is_open = count > 0;
        tap.take(stream, &buffer[..count]).await;
        Ok(())
    }

    /// Passes on what is in the pipes now, without waiting for more.
    ///
    /// # Errors
    /// [`Error::System`] if a pipe can't be read.
    pub async fn drain(&mut self, tap: &mut Tap) -> Result<(), Error> {
        for (stream, pipe, is_open) in [
            (Stream::Stdout, &self.stdout, &mut self.stdout_is_open),
            (Stream::Stderr, &self.stderr, &mut self.stderr_is_open),
        ] {
            let mut drained = 0;
            while drained < DRAINED_BYTES {
                match read(pipe, &mut self.stdout_buffer) {
                    Ok(0) => {
                        *is_open = false;
                        break;
                    }
                    Err(Errno::EAGAIN) => break,
                    Ok(count) => {
                        drained += count;
                        tap.take(stream, &self.stdout_buffer[..count]).await;
                    }
                    Err(Errno::EINTR) => {}
                    Err(errno) => return Err(unreadable(errno.into())),
                }
            }
        }
        Ok(())
    }

    /// Leaves what is still open to a reader that outlives the agent.
    ///
    /// # Errors
    /// [`Error::System`] or [`Error::Helper`] if there can't be one.
    pub fn leave(self) -> Result<(), Error> {
        let Self { stdout, stderr, stdout_is_open, stderr_is_open, .. } = self;
        for (pipe, is_open) in [(stdout, stdout_is_open), (stderr, stderr_is_open)] {
            if is_open {
                exec::drain(pipe.into_blocking_fd().map_err(unreadable)?)?;
            }
        }
        Ok(())
    }
}

fn unreadable(source: std::io::Error) -> Error {
    Error::System { doing: "read what a command prints", source }
}

/// Sees all that one command prints: forwards the beginning, keeps what is asked for later.
#[derive(Debug)]
pub struct Tap {
    outbox: Option<Outbox>,
    place: Place,
    background: Option<String>,
    forwarded: u64,
    dropped: u64,
    stdout: Vec<u8>,
    stderr_tail: Vec<u8>,
    search: Option<Search>,
}

impl Tap {
    /// Forwards output to the host.
    pub fn forwarding(outbox: &Outbox, place: &Place, background: Option<&str>) -> Self {
        let background = background.map(str::to_owned);
        Self { outbox: Some(outbox.clone()), background, ..Self::silent(place) }
    }

    /// Keeps output to itself.
    pub fn silent(place: &Place) -> Self {
        Self {
            outbox: None,
            place: place.clone(),
            background: None,
            forwarded: 0,
            dropped: 0,
            stdout: Vec::new(),
            stderr_tail: Vec::new(),
            search: None,
        }
    }

    /// Looks for a text from now on.
    pub fn looking_for(self, text: &str) -> Self {
        Self { search: Some(Search::new(text)), ..self }
    }

    /// Returns the beginning of standard output.
    pub fn stdout(&self) -> &[u8] {
        &self.stdout
    }

    /// Returns the last lines of standard error, or, if it is empty, of what was printed at all.
    pub fn last_words(&self) -> String {
        let words = if self.stderr_tail.is_empty() { &self.stdout } else { &self.stderr_tail };
        let text = String::from_utf8_lossy(words);
        let lines: Vec<&str> = text.trim().lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("; ")
    }

    /// Tells the host how much was not forwarded.
    pub async fn report_dropped(&mut self) {
        let bytes = std::mem::take(&mut self.dropped);
        if let Some(outbox) = self.outbox.as_ref().filter(|_| bytes > 0) {
            outbox.send(Event::OutputDropped { bytes }).await;
        }
    }

    /// Says whether the text that it looks for was printed, on either stream.
    pub fn has_found(&self) -> bool {
        self.search.as_ref().is_some_and(|search| search.found)
    }

    async fn take(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(search) = &mut self.search {
            search.look(stream, bytes);
        }
        match stream {
            Stream::Stdout => {
                let room = KEPT_BYTES.saturating_sub(self.stdout.len());
                self.stdout.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Stream::Stderr => {
                self.stderr_tail.extend_from_slice(bytes);
                let excess = self.stderr_tail.len().saturating_sub(TAIL_BYTES);
                self.stderr_tail.drain(..excess);
            }
        }
        let Some(outbox) = &self.outbox else { return };
        let room = FORWARDED_BYTES.saturating_sub(self.forwarded);
        let length = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.forwarded += length as u64;
        self.dropped += (bytes.len() - length) as u64;
        if length > 0 {
            let (place, background) = (self.place.clone(), self.background.clone());
            let bytes = bytes[..length].to_vec();
            outbox.send(Event::Output { place, background, stream, bytes }).await;
        }
    }
}

/// Looks for a text in two streams that come in pieces of any size.
#[derive(Debug)]
struct Search {
    text: Vec<u8>,
    /// The end of each stream so far, shorter than the text.
    ends: [Vec<u8>; 2],
    found: bool,
}

impl Search {
    fn new(text: &str) -> Self {
        Self { text: text.as_bytes().to_vec(), ends: [Vec::new(), Vec::new()], found: false }
    }

    fn look(&mut self, stream: Stream, bytes: &[u8]) {
        let end = match stream {
            Stream::Stdout => &mut self.ends[0],
            Stream::Stderr => &mut self.ends[1],
        };
        end.extend_from_slice(bytes);
        // An empty text is found in the first byte.
        let length = self.text.len().max(1);
        self.found |= end.windows(length).any(|window| window.starts_with(&self.text));
        let excess = end.len().saturating_sub(length - 1);
        end.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_across_pieces_but_not_across_streams() {
        use Stream::{Stderr, Stdout};
        for (pieces, found) in [
            (vec![(Stdout, "it is rea"), (Stdout, "dy\n")], true),
            (vec![(Stdout, "rea"), (Stderr, "dy")], false),
            (vec![(Stderr, "r"), (Stdout, "x"), (Stderr, "eady")], true),
            (vec![(Stdout, "ready"), (Stdout, "and much more")], true),
            (vec![(Stdout, "re ady")], false),
        ] {
            let mut search = Search::new("ready");
            for (stream, piece) in &pieces {
                search.look(*stream, piece.as_bytes());
            }
            assert_eq!(search.found, found, "{pieces:?}");
        }
    }
}
