//! The SSH server, dropbear: started once the keys are there, started again if it dies.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::error::InitError;
use crate::signals::Signals;
use crate::{console, identity, network, wait};

/// Where Debian installs it.
const PROGRAM: &str = "/usr/sbin/dropbear";

/// The port it listens on.
const PORT: u16 = 22;

/// Longest time it may take to listen: about 0.1 s under emulation.
const LISTEN_LIMIT: Duration = Duration::from_secs(20);

/// How often it may die before the guest gives up. It never does by itself; a handful lets a
/// learner kill it by mistake.
const MOST_DEATHS: u32 = 5;

/// Bytes that a client may send before it waits for an answer. The default of 24 KiB would make
/// the agent's 2 MB wait a hundred times on their way into the guest.
const RECEIVE_WINDOW: &str = "262144";

/// What sessions inherit before dropbear makes their environment.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The running server.
pub struct SshServer {
    pid: Pid,
    deaths: u32,
}

impl SshServer {
    /// Starts it and waits until it listens.
    pub fn start(signals: &Signals) -> Result<Self, InitError> {
        let pid = spawn(signals)?;
        wait::until("the SSH server's port", LISTEN_LIMIT, || {
            if let Some(ended) = how_it_ended(pid) {
                return Err(InitError::SshServerEnded { program: PROGRAM, ended });
            }
            let path = "/proc/net/tcp";
            let table = fs::read_to_string(path).map_err(|cause| InitError::File {
                doing: "read",
                path: path.into(),
                cause,
            })?;
            Ok(listens(&table, PORT).then_some(()))
        })?;
        Ok(Self { pid, deaths: 0 })
    }

    /// Takes note of a child that ended, and starts the server again if it was the server.
    pub fn child_ended(&mut self, status: &WaitStatus, signals: &Signals) -> Result<(), InitError> {
        if status.pid() != Some(self.pid) {
            return Ok(());
        }
        self.deaths += 1;
        let ended = in_words(status);
        if self.deaths == MOST_DEATHS {
            let (program, times) = (PROGRAM, self.deaths);
            return Err(InitError::SshServerUnstable { program, times, ended });
        }
        console::say(&format!("the SSH server {ended} and is started again"));
        self.pid = spawn(signals)?;
        Ok(())
    }
}

/// Returns the next child that has ended and was not yet told, if there is one.
pub fn reap() -> Result<Option<WaitStatus>, InitError> {
    match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => Ok(None),
        Ok(status) => Ok(Some(status)),
        Err(cause) => Err(InitError::System { doing: "wait for a child", cause }),
    }
}

/// Its words go to the serial console: they are needed most when nobody can log in.
fn spawn(signals: &Signals) -> Result<Pid, InitError> {
    #[expect(clippy::disallowed_methods, reason = "the init owns this one process")]
    let mut command = Command::new(PROGRAM);
    command
        // In the foreground, with its log on standard error.
        .args(["-F", "-E"])
        // Keys only, and no ports of the host opened for the guest; the other way stays open,
        // since editors that work over SSH need it.
        .args(["-s", "-k"])
        .args(["-W", RECEIVE_WINDOW, "-r", identity::HOST_KEY])
        .args(["-p", &format!("{}:{PORT}", network::ADDRESS)])
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .stdin(Stdio::null());
    let child = signals.unblocked(|| command.spawn())?.map_err(|cause| InitError::File {
        doing: "start",
        path: PROGRAM.into(),
        cause,
    })?;
    // The number of a process always fits: the kernel's own type is signed.
    Ok(Pid::from_raw(child.id().cast_signed()))
}

/// Returns how a child ended, if it has.
fn how_it_ended(pid: Pid) -> Option<String> {
    match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) => None,
        Ok(status) => Some(in_words(&status)),
        Err(cause) => Some(format!("can't be waited for ({cause})")),
    }
}

fn in_words(status: &WaitStatus) -> String {
    match status {
        WaitStatus::Exited(_, code) => format!("ended with exit status {code}"),
        WaitStatus::Signaled(_, signal, _) => format!("was killed by {signal}"),
        other => format!("ended as {other:?}"),
    }
}

/// Says whether the kernel's table of TCP sockets has one that listens on a port.
fn listens(table: &str, port: u16) -> bool {
    let local = format!(":{port:04X}");
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        // Local address, remote address, state; 0A is TCP_LISTEN.
        fields.next().is_some_and(|address| address.ends_with(&local))
            && fields.nth(1) == Some("0A")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n";

    #[test]
    fn only_a_socket_that_listens_on_the_port_counts() {
        let cases = [
            ("", false),
            ("   0: 0F02000A:0016 00000000:0000 0A 00000000:00000000", true),
            ("   0: 00000000:0016 00000000:0000 0A 00000000:00000000", true),
            ("   0: 0F02000A:0016 0202000A:D431 01 00000000:00000000", false),
            ("   0: 0F02000A:1600 00000000:0000 0A 00000000:00000000", false),
            ("   0: 0F02000A:D431 0202000A:0016 01 00000000:00000000", false),
        ];
        for (line, expected) in cases {
            assert_eq!(listens(&format!("{HEAD}{line}\n"), 22), expected, "{line}");
        }
    }

    #[test]
    fn an_end_is_told_in_words() {
        let pid = Pid::from_raw(9);
        assert_eq!(in_words(&WaitStatus::Exited(pid, 1)), "ended with exit status 1");
        let killed = WaitStatus::Signaled(pid, nix::sys::signal::Signal::SIGKILL, false);
        assert_eq!(in_words(&killed), "was killed by SIGKILL");
    }
}
