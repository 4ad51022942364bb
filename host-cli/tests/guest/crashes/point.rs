//! A command that is stopped at one of netlab's fault points, and whom a crash befalls there.

use std::ffi::OsStr;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::process::Child;

use netlab_fault::{Phase, VARIABLE};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::leftovers::pids;
use crate::running::wait_until;
use crate::support::{Netlab, Outcome};

/// How long a command may take to its phase, in milliseconds: an image is built in a minute on a busy
/// machine.
const REACHED_WITHIN_MILLIS: u16 = u16::MAX;

/// Whom a crash befalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// The command itself.
    Netlab,
    /// The guest's emulator.
    Qemu,
    /// What runs labs in the guest.
    Agent,
    /// The guest's end of the connection to it.
    Connection,
}

impl Victim {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Netlab, Self::Qemu, Self::Agent, Self::Connection];

    /// Those that are processes of the host.
    pub const HOSTS: [Self; 2] = [Self::Netlab, Self::Qemu];
}

/// A command that stands still at a phase.
pub struct Stopped {
    command: Child,
    line: String,
    /// Closed, it lets the command go on.
    held: TcpStream,
}

impl Stopped {
    /// Starts a command and waits until it is at the phase.
    #[track_caller]
    pub fn at<S: AsRef<OsStr>>(
        phase: Phase,
        netlab: &Netlab,
        words: impl IntoIterator<Item = S>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut command = netlab.command(words);
        command.env(VARIABLE, format!("{phase}@{port}"));
        let line = format!("{command:?}");
        let mut command = command.spawn().expect("netlab starts");
        // Its standard output hangs up when it ends without having come there.
        let output = command.stdout.as_ref().expect("a pipe");
        let mut ways = [
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(output.as_fd(), PollFlags::empty()),
        ];
        let ready = poll(&mut ways, PollTimeout::from(REACHED_WITHIN_MILLIS)).expect("a poll");
        let came = ways[0].any().unwrap_or_default();
        if !came {
            let how = if ready == 0 { "did not come" } else { "ended before it came" };
            command.kill().expect("kill -9");
            let output = command.wait_with_output().expect("it ends");
            panic!("{line} {how} to {phase}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let (mut held, _) = listener.accept().expect("a connection");
        held.read_exact(&mut [0; 5]).expect("`here`");
        Self { command, line, held }
    }

    /// Kills the victim, lets the command go on, and returns what came of that.
    #[track_caller]
    pub fn kill(mut self, victim: Victim, netlab: &Netlab) -> Outcome {
        match victim {
            Victim::Netlab => self.command.kill().expect("kill -9"),
            Victim::Qemu => {
                let own = self.command.id().cast_signed();
                let qemu = || pids(netlab).into_iter().find(|&pid| pid != own);
                // A process that has just been started shows no arguments for a moment.
                wait_until("its QEMU is there", || qemu().is_some());
                kill(Pid::from_raw(qemu().expect("a QEMU")), Signal::SIGKILL).expect("kill -9");
            }
            // The bracket keeps the pattern from finding itself.
            Victim::Agent => in_guest(netlab, &["pkill", "-9", "-f", "[/]run/netlab/bin/"]),
            // The oldest is the one of the command; the one by which it is killed is younger.
            Victim::Connection => in_guest(netlab, &["pkill", "-9", "-o", "-x", "dropbear"]),
        }
        drop(self.held);
        Outcome::of(self.line, self.command.wait_with_output().expect("it ends"))
    }
}

#[track_caller]
fn in_guest(netlab: &Netlab, command: &[&str]) {
    netlab.run(["exec", "--"].iter().chain(command)).exit(0);
}
