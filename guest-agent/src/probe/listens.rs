//! `listens`: a socket is bound in the namespace, as its own `/proc/net` says.
//!
//! Also the sign by which background commands are found ready.

use std::fs;
use std::path::Path;

use netlab_protocol::Place;

use super::{Outcome, Words};
use crate::error::Error;
use crate::netns;

/// A listening TCP socket's state in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// A bound, unconnected UDP socket's state in `/proc/net/udp`.
const UNCONNECTED: &str = "07";

/// A socket that waits for peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Socket {
    /// Listens on this TCP port.
    Tcp(u16),
    /// Is bound to this UDP port.
    Udp(u16),
}

impl Socket {
    fn parse(text: &str) -> Option<Self> {
        let (protocol, port) = text.split_once(':')?;
        let port = port.parse().ok()?;
        match protocol {
            "tcp" => Some(Self::Tcp(port)),
            "udp" => Some(Self::Udp(port)),
            _ => None,
        }
    }
}

/// Says what is expected.
pub fn words(socket: &str) -> Words {
    let look = "ss -Hlntu";
    Words::new(format!("a socket on {socket}"), format!("no socket on {socket}"), look)
}

/// Tries once.
pub async fn attempt(place: &Place, text: &str) -> Result<Outcome, Error> {
    let Some(socket) = Socket::parse(text) else {
        let words = format!("`{text}` is no socket: write `tcp:4000` or `udp:67`");
        return Ok(Outcome::Unknown(words));
    };
    if is_bound(place, socket).await? {
        return Ok(Outcome::Yes(format!("{text} is open")));
    }
    Ok(Outcome::No(format!("nothing is on {text}")))
}

/// Says whether a socket is bound in a place, for IPv4 or IPv6.
pub async fn is_bound(place: &Place, socket: Socket) -> Result<bool, Error> {
    netns::within(place, move || {
        let (tables, port, state) = match socket {
            Socket::Tcp(port) => (["tcp", "tcp6"], port, LISTEN),
            Socket::Udp(port) => (["udp", "udp6"], port, UNCONNECTED),
        };
        for table in tables {
            // The thread's own link, since only this thread is in the namespace.
            let path = Path::new("/proc/thread-self/net").join(table);
            match fs::read_to_string(&path) {
                Ok(text) if has_socket(&text, port, state) => return Ok(true),
                Ok(_) => {}
                // A kernel without IPv6 has no such table.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::file("read", &path)(error)),
            }
        }
        Ok(false)
    })
    .await?
}

/// Looks for a local port in a given state: the columns are number, local, remote, state.
pub(super) fn has_socket(table: &str, port: u16, state: &str) -> bool {
    let port = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, _remote) = (columns.next(), columns.next());
        local.is_some_and(|local| local.ends_with(&port)) && columns.next() == Some(state)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0200000A:0FA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1
   1: 0200000A:0FA1 0100000A:C350 01 00000000:00000000 00:00000000 00000000     0        0 12346 1
";

    #[test]
    fn a_connection_is_no_listener_and_a_remote_port_is_not_ours() {
        for (port, found) in [(4000, true), (4001, false), (50000, false), (0, false)] {
            assert_eq!(has_socket(TABLE, port, LISTEN), found, "{port}");
        }
    }

    #[test]
    fn sockets_are_written_with_their_protocol() {
        for (text, socket) in [
            ("tcp:4000", Some(Socket::Tcp(4000))),
            ("udp:67", Some(Socket::Udp(67))),
            ("4000", None),
            ("tcp:70000", None),
            ("sctp:1", None),
        ] {
            assert_eq!(Socket::parse(text), socket);
        }
    }
}
