//! ICMP echo over a raw socket: what `ping` does, without a process for each try.

use std::io::{self, ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::Outcome;
use super::reach::{no_answer, refusal};

/// How long one echo is waited for before the next is sent. A first packet may be lost while the
/// switch learns.
pub const TRY_EVERY: Duration = Duration::from_millis(250);

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const ECHO_REQUEST: u8 = 8;

/// Length of an ICMP header, in bytes.
const HEADER_BYTES: usize = 8;

/// Tells this probe's echoes from those of another that runs beside it.
static NEXT_IDENTIFIER: AtomicU16 = AtomicU16::new(0x6e6c);

/// Sends echoes until one is answered or `limit` is over.
pub fn ping(address: Ipv4Addr, limit: Duration) -> Outcome {
    let identifier = NEXT_IDENTIFIER.fetch_add(1, Ordering::Relaxed);
    match exchange(address, identifier, limit) {
        Ok(outcome) => outcome,
        Err(error) => refusal(&error),
    }
}

fn exchange(address: Ipv4Addr, identifier: u16, limit: Duration) -> io::Result<Outcome> {
    let mut socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    let target = SockAddr::from(SocketAddrV4::new(address, 0));
    let begun = Instant::now();
    let mut buffer = [0; 2048];
    let mut tries = 0;
    while begun.elapsed() < limit {
        let sent = Instant::now();
        tries += 1;
        socket.send_to(&echo_request(identifier, tries), &target)?;
        let patience = TRY_EVERY.min(limit.saturating_sub(begun.elapsed()));
        loop {
            let left = patience.saturating_sub(sent.elapsed());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left))?;
            let count = match socket.read(&mut buffer) {
                Ok(count) => count,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    break;
                }
                Err(error) => return Err(error),
            };
            match read_answer(&buffer[..count], address, identifier) {
                Some(Answer::Echo) => {
                    let milliseconds = sent.elapsed().as_secs_f64() * 1000.0;
                    let words = format!("{address} answered in {milliseconds:.1} ms");
                    return Ok(Outcome::Yes(words));
                }
                Some(Answer::Unreachable { by }) => {
                    return Ok(Outcome::No(format!("{by} says it is unreachable")));
                }
                None => {}
            }
        }
    }
    Ok(Outcome::No(no_answer(limit, u32::from(tries))))
}

/// What came back for one of our echoes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Echo,
    Unreachable { by: Ipv4Addr },
}

fn echo_request(identifier: u16, sequence: u16) -> [u8; HEADER_BYTES] {
    let mut packet = [ECHO_REQUEST, 0, 0, 0, 0, 0, 0, 0];
    packet[4..6].copy_from_slice(&identifier.to_be_bytes());
    packet[6..8].copy_from_slice(&sequence.to_be_bytes());
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The internet checksum (RFC 1071) of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Folded above, so the upper half is empty.
    !(sum as u16)
}

/// Reads an IPv4 packet: an echo reply of `address` to us, or a report about an echo of ours.
pub(super) fn read_answer(packet: &[u8], address: Ipv4Addr, identifier: u16) -> Option<Answer> {
    let (source, _, message) = split_packet(packet)?;
    let is_ours = |header: &[u8]| header.get(4..6) == Some(&identifier.to_be_bytes()[..]);
    match *message.first()? {
        ECHO_REPLY if source == address && is_ours(message) => Some(Answer::Echo),
        UNREACHABLE => {
            let (_, destination, original) = split_packet(message.get(HEADER_BYTES..)?)?;
            let about_us = destination == address && is_ours(original);
            about_us.then_some(Answer::Unreachable { by: source })
        }
        _ => None,
    }
}

/// Splits an IPv4 packet into source, destination and payload.
fn split_packet(packet: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr, &[u8])> {
    let header_bytes = usize::from(packet.first()? & 0xf) * 4;
    let address = |at: usize| {
        let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(bytes))
    };
    Some((address(12)?, address(16)?, packet.get(header_bytes..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const THERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    fn packet(source: Ipv4Addr, destination: Ipv4Addr, message: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 20];
        packet[0] = 0x45;
        packet[12..16].copy_from_slice(&source.octets());
        packet[16..20].copy_from_slice(&destination.octets());
        packet.extend_from_slice(message);
        packet
    }

    fn reply(identifier: u16) -> [u8; 8] {
        let mut message = echo_request(identifier, 1);
        message[0] = ECHO_REPLY;
        message
    }

    #[test]
    fn only_the_right_hosts_reply_to_this_probe_is_an_answer() {
        for (source, message, answer) in [
            (THERE, reply(7), Some(Answer::Echo)),
            (THERE, reply(8), None),
            (HERE, reply(7), None),
            // A host that pings itself sees its own request too.
            (THERE, echo_request(7, 1), None),
        ] {
            assert_eq!(read_answer(&packet(source, HERE, &message), THERE, 7), answer);
        }
    }

    #[test]
    fn an_unreachable_report_counts_if_it_is_about_our_echo() {
        let router = Ipv4Addr::new(10, 0, 0, 254);
        let report = |original: &[u8]| {
            let mut message = vec![UNREACHABLE, 1, 0, 0, 0, 0, 0, 0];
            message.extend_from_slice(&packet(HERE, THERE, original));
            packet(router, HERE, &message)
        };
        let ours = read_answer(&report(&echo_request(7, 1)), THERE, 7);
        assert_eq!(ours, Some(Answer::Unreachable { by: router }));
        assert_eq!(read_answer(&report(&echo_request(8, 1)), THERE, 7), None);
    }

    #[test]
    fn a_checksummed_packet_sums_to_nothing() {
        assert_eq!(checksum(&echo_request(0x1234, 3)), 0);
    }

    #[test]
    fn a_cut_packet_is_no_answer() {
        let whole = packet(THERE, HERE, &reply(7));
        for length in 0..26 {
            assert_eq!(read_answer(&whole[..length], THERE, 7), None, "{length}");
        }
    }
}
