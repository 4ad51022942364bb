//! Commands of netlab that go on while the test looks at them, and conditions to wait for.

use std::ffi::OsStr;
use std::io::Read;
use std::path::PathBuf;
use std::process::Child;
use std::thread;

use crate::support::Netlab;

impl Netlab {
    /// The file with the suite's guest's pinned host key.
    pub fn known_hosts(&self) -> PathBuf {
        self.home().join("i/default/known_hosts")
    }

    /// Starts a command and leaves it running.
    #[track_caller]
    pub fn start<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Child {
        self.command(words).spawn().expect("netlab starts")
    }
}

/// Reads `pipe` until `part` has come, and returns all that has come.
#[track_caller]
pub fn read_until(pipe: &mut impl Read, part: &str) -> String {
    let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if text.contains(part) {
            return text;
        }
        let count = pipe.read(&mut piece).expect("a pipe");
        assert!(count > 0, "it ended without {part:?}:\n{text}");
        seen.extend_from_slice(&piece[..count]);
    }
}

/// Waits until `condition` holds, by asking it again and again, and panics with `what` after two
/// minutes.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::yield_now();
    }
}

/// How long a condition may take under emulation on a busy machine.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);
