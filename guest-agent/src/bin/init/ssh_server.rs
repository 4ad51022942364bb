//! The SSH server: the init listens, and each connection gets a dropbear of its own.
//!
//! A dropbear that listens forks for each connection and then loads itself anew. Listening here
//! loads it once a connection instead, needs nothing to be started before the guest is ready, and
//! leaves no server that could die.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};

use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use crate::error::InitError;
use crate::signals::Signals;
use crate::{console, identity, network, processes};

/// Where Debian installs it.
const PROGRAM: &str = "/usr/sbin/dropbear";

/// The port it is reached at.
const PORT: u16 = 22;

/// Connections that are served at once; more wait in the kernel's queue. Every user of the host
/// can open some, and must not fill the guest's memory with them.
const MOST_CONNECTIONS: usize = 64;

/// Bytes that a client may send before it waits for an answer. The default of 24 KiB would make
/// the agent's 2 MB wait a hundred times on their way into the guest.
const RECEIVE_WINDOW: &str = "262144";

/// What sessions inherit before dropbear makes their environment.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The listening socket, and who serves its connections.
pub struct SshServer {
    listener: TcpListener,
    serving: Vec<Pid>,
}

impl SshServer {
    /// Begins to listen.
    pub fn listen() -> Result<Self, InitError> {
        let address = SocketAddr::from((network::ADDRESS, PORT));
        let listener = TcpListener::bind(address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|cause| InitError::Listen { address, cause })?;
        Ok(Self { listener, serving: Vec::new() })
    }

    /// The socket to wait for, unless as many connections are served as may be.
    pub fn waits_for(&self) -> Option<BorrowedFd<'_>> {
        (self.serving.len() < MOST_CONNECTIONS).then(|| self.listener.as_fd())
    }

    /// Serves the connections that have come in. One that can't be served is closed and told of on
    /// the console: the guest goes on.
    pub fn serve(&mut self, signals: &Signals) -> Result<(), InitError> {
        while self.serving.len() < MOST_CONNECTIONS {
            let connection = match self.listener.accept() {
                Ok((connection, _)) => connection,
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(cause) => {
                    console::say(&format!("an SSH connection was lost: {cause}"));
                    return Ok(());
                }
            };
            match signals.unblocked(|| start(connection))? {
                Ok(pid) => self.serving.push(pid),
                Err(cause) => console::say(&format!("could not start `{PROGRAM}`: {cause}")),
            }
        }
        Ok(())
    }

    /// Ends the server with every connection and everything that was started over one and hasn't
    /// left it. What became a daemon, such as the switch, goes on.
    pub fn close(mut self) -> Result<(), InitError> {
        drop(self.listener);
        processes::end_with_descendants(&self.serving)?;
        self.serving.clear();
        Ok(())
    }

    /// Ends the connections of an earlier life: their other ends are gone. What was started over
    /// them sees its input end, and decides itself.
    pub fn end_connections(&mut self) -> Result<(), InitError> {
        while self.listener.accept().is_ok() {}
        processes::end(&self.serving)?;
        self.serving.clear();
        Ok(())
    }

    /// Takes note of a child that ended.
    pub fn child_ended(&mut self, status: &WaitStatus) {
        self.serving.retain(|&pid| status.pid() != Some(pid));
    }
}

/// Starts a dropbear on a connection. Its words go to the serial console: they are needed most
/// when nobody can log in.
fn start(connection: TcpStream) -> io::Result<Pid> {
    // The other end's keystrokes are small and must not wait for each other.
    connection.set_nodelay(true)?;
    connection.set_nonblocking(false)?;
    let input = OwnedFd::from(connection);
    let output = input.try_clone()?;
    #[expect(clippy::disallowed_methods, reason = "the init owns this one program")]
    let child = Command::new(PROGRAM)
        // For one connection, on standard input and output, with its log on standard error.
        .args(["-i", "-E"])
        // Keys only, and no ports of the host opened for the guest; the other way stays open,
        // since editors that work over SSH need it.
        .args(["-s", "-k"])
        .args(["-W", RECEIVE_WINDOW, "-r", identity::HOST_KEY])
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output))
        .spawn()?;
    // The number of a process always fits: the kernel's own type is signed.
    Ok(Pid::from_raw(child.id().cast_signed()))
}
