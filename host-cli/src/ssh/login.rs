//! Where an SSH server is, and how to log in there: with keys of the instance's own, or as the user's
//! OpenSSH would.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::openssh::Settings;

/// Where an SSH server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// With what to log in, and by what the server is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// A guest of netlab's own: both keys were made for it.
    Pinned(Pinned),
    /// A machine of the user's. What runs there runs as root, through `sudo` if need be.
    OpenSsh(Box<OpenSsh>),
}

/// How the user's OpenSSH logs in at a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSsh {
    /// What its configuration says.
    pub settings: Settings,
    /// netlab's own file of known hosts, for a machine whose key the user's configuration does not ask
    /// to be known.
    pub pinned: PathBuf,
    /// What brings the machine up if it was halted, in words, where netlab knows it.
    pub revival: Option<String>,
}

/// The keys of a guest of netlab's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// File of the private key, in OpenSSH's format.
    pub identity: PathBuf,
    /// File in OpenSSH's `known_hosts` format with the pinned host key, under `host_alias`.
    pub known_hosts: PathBuf,
    /// The name under which `known_hosts` has the key.
    pub host_alias: String,
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        // Only an IPv6 address has colons, and needs brackets to be told from its port.
        if host.contains(':') {
            write!(formatter, "[{host}]:{port}")
        } else {
            write!(formatter, "{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_people_write_it() {
        let address = |host: &str| Address { host: host.to_owned(), port: 22 }.to_string();
        assert_eq!(address("pi.lan"), "pi.lan:22");
        assert_eq!(address("fe80::1"), "[fe80::1]:22");
        let socket: SocketAddr = "[::1]:2222".parse().unwrap();
        assert_eq!(Address::from(socket).to_string(), "[::1]:2222");
    }
}
