//! Raw keys from the terminal, for a shell in the guest. Reading stops when the [`Keyboard`] is
//! dropped, so that no key typed afterwards is swallowed: a plain read can't be called back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;

/// How soon the reading thread notices that nobody wants its keys any more.
const LOOK_PERIOD: Duration = Duration::from_millis(50);

/// Keys typed ahead that are kept, in reads.
const TYPED_AHEAD: usize = 16;

/// The open keyboard. The terminal must be in raw mode.
pub struct Keyboard {
    keys: Option<mpsc::Receiver<io::Result<Vec<u8>>>>,
    unwanted: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keyboard {
    /// Starts to read.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn open() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(TYPED_AHEAD);
        let unwanted = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&unwanted);
        let read = move || {
            while !stop.load(Ordering::Relaxed) {
                let keys = match system::read(LOOK_PERIOD) {
                    Ok(None) => continue,
                    Ok(Some(keys)) => Ok(keys),
                    Err(error) => Err(error),
                };
                let last = !matches!(&keys, Ok(keys) if !keys.is_empty());
                if sender.blocking_send(keys).is_err() || last {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("keyboard".to_owned()).spawn(read)?;
        Ok(Self { keys: Some(receiver), unwanted, thread: Some(thread) })
    }

    /// Returns the keys typed next as a terminal's bytes, or `None` at the end of input.
    ///
    /// # Errors
    /// The terminal can't be read.
    pub async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(keys) = &mut self.keys else {
            return Ok(None);
        };
        Ok(keys.recv().await.transpose()?.filter(|keys| !keys.is_empty()))
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Relaxed);
        // Frees a thread that waits to hand keys over.
        self.keys = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has stopped reading, which is all that is wanted.
            let _ = thread.join();
        }
    }
}

#[cfg(unix)]
mod system {
    use std::io;
    use std::os::fd::{AsFd as _, BorrowedFd};
    use std::time::Duration;

    use nix::errno::Errno;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    /// Waits for keys, but no longer than `limit`. No bytes mean the end of input.
    pub fn read(limit: Duration) -> io::Result<Option<Vec<u8>>> {
        read_from(io::stdin().as_fd(), limit)
    }

    /// Reads the descriptor itself: the library's standard input takes in more than it hands out,
    /// and what lies in its buffer is nothing that the system could tell of.
    pub fn read_from(input: BorrowedFd<'_>, limit: Duration) -> io::Result<Option<Vec<u8>>> {
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::ZERO);
        let mut ready = [PollFd::new(input, PollFlags::POLLIN)];
        let mut buffer = vec![0; 1024];
        let count = match poll(&mut ready, timeout) {
            Ok(0) => return Ok(None),
            Ok(_) => nix::unistd::read(input, &mut buffer),
            Err(error) => Err(error),
        };
        match count {
            Ok(count) => {
                buffer.truncate(count);
                Ok(Some(buffer))
            }
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(test)]
    mod tests {
        use std::io::Write as _;

        use super::*;

        #[test]
        fn a_long_paste_is_read_to_its_end_without_another_key() {
            let (input, mut typed) = io::pipe().unwrap();
            let pasted = vec![b'x'; 5000];
            typed.write_all(&pasted).unwrap();
            let mut read = Vec::new();
            while let Some(keys) = read_from(input.as_fd(), Duration::ZERO).unwrap() {
                read.extend(keys);
            }
            assert_eq!(read, pasted);
            drop(typed);
            assert_eq!(read_from(input.as_fd(), Duration::ZERO).unwrap(), Some(Vec::new()));
        }
    }
}

#[cfg(windows)]
mod system {
    use std::io;
    use std::time::Duration;

    use crossterm::event::{self, Event, KeyEventKind};

    use super::encoding::bytes_of;

    /// Waits for keys, but no longer than `limit`.
    pub fn read(limit: Duration) -> io::Result<Option<Vec<u8>>> {
        if !event::poll(limit)? {
            return Ok(None);
        }
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                Ok(Some(bytes_of(key)).filter(|bytes| !bytes.is_empty()))
            }
            Event::Paste(text) => Ok(Some(text.into_bytes())),
            _ => Ok(None),
        }
    }
}

#[cfg(any(windows, test))]
mod encoding {
    //! The Windows console gives keys, not bytes: these are the bytes that an xterm sends.

    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    /// Returns the bytes for one key; none for a key that has none.
    pub fn bytes_of(key: KeyEvent) -> Vec<u8> {
        let mut bytes = match key.code {
            KeyCode::Char(character) if key.modifiers.contains(KeyModifiers::CONTROL) => {
                // Control takes the low five bits of the letter: Ctrl-C is 3.
                u8::try_from(character).map(|byte| vec![byte & 0x1f]).unwrap_or_default()
            }
            KeyCode::Char(character) => character.to_string().into_bytes(),
            KeyCode::Enter => b"\r".to_vec(),
            KeyCode::Tab => b"\t".to_vec(),
            KeyCode::BackTab => b"\x1b[Z".to_vec(),
            KeyCode::Backspace => b"\x7f".to_vec(),
            KeyCode::Esc => b"\x1b".to_vec(),
            KeyCode::Up => b"\x1b[A".to_vec(),
            KeyCode::Down => b"\x1b[B".to_vec(),
            KeyCode::Right => b"\x1b[C".to_vec(),
            KeyCode::Left => b"\x1b[D".to_vec(),
            KeyCode::Home => b"\x1b[H".to_vec(),
            KeyCode::End => b"\x1b[F".to_vec(),
            KeyCode::Insert => b"\x1b[2~".to_vec(),
            KeyCode::Delete => b"\x1b[3~".to_vec(),
            KeyCode::PageUp => b"\x1b[5~".to_vec(),
            KeyCode::PageDown => b"\x1b[6~".to_vec(),
            _ => Vec::new(),
        };
        if key.modifiers.contains(KeyModifiers::ALT) && !bytes.is_empty() {
            bytes.insert(0, 0x1b);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::encoding::bytes_of;

    #[test]
    fn keys_become_the_bytes_that_a_terminal_sends() {
        let (none, control, alt) = (KeyModifiers::NONE, KeyModifiers::CONTROL, KeyModifiers::ALT);
        let cases: [(KeyCode, KeyModifiers, &[u8]); 7] = [
            (KeyCode::Char('ä'), none, "ä".as_bytes()),
            (KeyCode::Char('c'), control, b"\x03"),
            (KeyCode::Char('b'), alt, b"\x1bb"),
            (KeyCode::Enter, none, b"\r"),
            (KeyCode::Backspace, none, b"\x7f"),
            (KeyCode::Up, none, b"\x1b[A"),
            (KeyCode::CapsLock, none, b""),
        ];
        for (code, modifiers, expected) in cases {
            assert_eq!(bytes_of(KeyEvent::new(code, modifiers)), expected, "{code:?}");
        }
    }
}
