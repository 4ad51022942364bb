//! What is only seen on a terminal: a shell in the guest, colours, and a lab that is stepped through.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use nix::pty::{Winsize, openpty};

use crate::Body;
use crate::support::Netlab;

pub const TRIALS: &[(&str, Body)] = &[
    ("a_shell_has_a_terminal_of_the_same_size_and_passes_its_status_on", shell),
    ("a_lab_on_a_terminal_waits_for_keys_and_has_colour", a_lab_waits_for_keys),
];

/// A session on a pseudo-terminal.
pub struct Session {
    child: std::process::Child,
    terminal: File,
    seen: String,
}

impl Session {
    pub fn start(netlab: &Netlab, words: &[&str]) -> Self {
        let size = Winsize { ws_row: 33, ws_col: 77, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).expect("a pseudo-terminal");
        // Copies, which no program inherits: a QEMU that netlab starts would hold the terminal open.
        let copy = |end: OwnedFd| end.try_clone().expect("a descriptor");
        let (master, slave) = (copy(pair.master), copy(pair.slave));
        let end = || Stdio::from(slave.try_clone().expect("a descriptor"));
        let mut command = netlab.command(words);
        command.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().expect("netlab starts");
        Self { child, terminal: File::from(master), seen: String::new() }
    }

    #[track_caller]
    pub fn expect(&mut self, part: &str) {
        let mut piece = [0; 4096];
        while !self.seen.contains(part) {
            let count = self.terminal.read(&mut piece).unwrap_or(0);
            assert!(count > 0, "it ended without {part:?}:\n{}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
        let end = self.seen.find(part).map_or(0, |start| start + part.len());
        self.seen.drain(..end);
    }

    pub fn type_in(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).expect("a terminal");
    }

    pub fn status(mut self) -> Option<i32> {
        // Read to the end first: a full terminal would hold the process up.
        let mut rest = Vec::new();
        while let Ok(count @ 1..) = self.terminal.read(&mut [0; 4096]) {
            rest.push(count);
        }
        self.child.wait().expect("it ends").code()
    }
}

fn shell(netlab: &Netlab) {
    let mut session = Session::start(netlab, &["shell"]);
    session.expect("# ");
    session.type_in("stty size\r");
    session.expect("33 77");
    session.type_in("exit 7\r");
    assert_eq!(session.status(), Some(7));
}

fn a_lab_waits_for_keys(netlab: &Netlab) {
    // Whatever other trials did in this guest, it is the user's own now, and stays.
    netlab.run(["exec", "--", "true"]).exit(0);
    let mut session = Session::start(netlab, &["demo", "1"]);
    session.expect("[y/N]");
    session.type_in("\r");
    session.expect("Enter: step 1");
    session.type_in("\r");
    session.expect("\u{1b}[");
    session.expect("Enter: step 2");
    session.type_in("s");
    session.expect("# ");
    session.type_in("exit\r");
    session.expect("Enter: step 2");
    session.type_in("q");
    assert_eq!(session.status(), Some(0));
}
