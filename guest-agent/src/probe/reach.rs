//! `reach`: an ICMP echo, a TCP connection or an ARP request, and an answer to it.
//!
//! The sockets are made inside the namespace; which way a packet takes is the kernel's own
//! decision there, as it would be for `ping` or `nc`.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use netlab_protocol::{Place, Target};

use super::{Outcome, Words, arp, icmp};
use crate::error::Error;
use crate::netns;

/// Says what is expected.
pub fn words(target: &Target) -> Words {
    match target {
        Target::Ping { address } => Words::new(
            format!("an answer from {address}"),
            format!("no answer from {address}"),
            format!("ping -c 1 -W 1 {address}"),
        ),
        Target::Tcp { address, port } => Words::new(
            format!("a connection to tcp:{address}:{port}"),
            format!("no connection to tcp:{address}:{port}"),
            format!("nc -vz -w 1 {address} {port}"),
        ),
        Target::Arp { address } => Words::new(
            format!("an ARP answer from {address}"),
            format!("no ARP answer from {address}"),
            format!("ip neigh show {address}"),
        ),
    }
}

/// Tries once.
pub async fn attempt(place: &Place, target: &Target, limit: Duration) -> Result<Outcome, Error> {
    let (Target::Ping { address } | Target::Tcp { address, .. } | Target::Arp { address }) = target;
    let Ok(address) = address.parse::<Ipv4Addr>() else {
        return Ok(Outcome::Unknown(format!("`{address}` is no IPv4 address")));
    };
    match target {
        Target::Ping { .. } => netns::within(place, move || icmp::ping(address, limit)).await,
        Target::Tcp { port, .. } => {
            let port = *port;
            netns::within(place, move || connect(address, port, limit)).await
        }
        Target::Arp { .. } => arp::attempt(place, address, limit).await,
    }
}

fn connect(address: Ipv4Addr, port: u16, limit: Duration) -> Outcome {
    let target = SocketAddr::from((address, port));
    match TcpStream::connect_timeout(&target, limit) {
        Ok(_connection) => Outcome::Yes(format!("tcp:{address}:{port} accepted")),
        Err(error) if error.kind() == ErrorKind::TimedOut => Outcome::No(no_answer(limit, 1)),
        Err(error) => refusal(&error),
    }
}

/// Says that nothing came back.
pub fn no_answer(waited: Duration, tries: u32) -> String {
    let plural = if tries == 1 { "try" } else { "tries" };
    format!("no answer in {} s ({tries} {plural})", (waited.as_millis() as f64) / 1000.0)
}

/// Tells the network's own "no" from a probe that could not be made.
pub fn refusal(error: &std::io::Error) -> Outcome {
    let words = match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset => "connection reset",
        ErrorKind::HostUnreachable => "no route to host",
        ErrorKind::NetworkUnreachable => "network is unreachable",
        ErrorKind::NetworkDown => "network is down",
        // What a firewall's `reject` of our own packets looks like.
        ErrorKind::PermissionDenied => "not permitted by the firewall",
        _ => return Outcome::Unknown(format!("the probe could not be made: {error}")),
    };
    Outcome::No(words.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn only_the_networks_own_refusals_count_as_an_answer_of_no() {
        use nix::libc;
        for (code, outcome) in [
            (libc::ECONNREFUSED, Outcome::No("connection refused".to_owned())),
            (libc::ENETUNREACH, Outcome::No("network is unreachable".to_owned())),
            (libc::EHOSTUNREACH, Outcome::No("no route to host".to_owned())),
        ] {
            assert_eq!(refusal(&io::Error::from_raw_os_error(code)), outcome);
        }
        let exhausted = refusal(&io::Error::from_raw_os_error(libc::EMFILE));
        assert!(matches!(exhausted, Outcome::Unknown(_)), "{exhausted:?}");
    }

    #[test]
    fn silence_is_told_with_its_length() {
        assert_eq!(no_answer(Duration::from_millis(1000), 4), "no answer in 1 s (4 tries)");
        assert_eq!(no_answer(Duration::from_millis(250), 1), "no answer in 0.25 s (1 try)");
    }
}
