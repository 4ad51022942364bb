//! An ARP request and its answer over a packet socket: what `arping` does.
//!
//! The kernel's own neighbour table is neither asked nor changed, so an old entry in it can't
//! answer for a host that is gone.

use std::io::{self, ErrorKind, Read as _};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use netlab_protocol::Place;
use nix::libc;
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

use super::Outcome;
use super::icmp::TRY_EVERY;
use super::reach::{no_answer, refusal};
use crate::error::Error;
use crate::netlink::{Mac, Netlink, mac_text};
use crate::netns;

/// EtherType of ARP.
const ARP: u16 = 0x0806;

/// Bytes of an ARP packet for Ethernet and IPv4.
const PACKET_BYTES: usize = 28;

const REQUEST: u16 = 1;
const REPLY: u16 = 2;
const BROADCAST: Mac = [0xff; 6];

/// Who asks: the interface towards the address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    pub(super) link: u32,
    pub(super) mac: Mac,
    pub(super) address: Ipv4Addr,
}

/// Asks on the interface that the route to the address points to.
pub async fn attempt(place: &Place, wanted: Ipv4Addr, limit: Duration) -> Result<Outcome, Error> {
    let netlink = Netlink::open(place).await?;
    let Some(link) = netlink.way_to(wanted).await? else {
        return Ok(Outcome::No("network is unreachable".to_owned()));
    };
    let links = netlink.links().await?;
    let found = links.iter().find(|known| known.index == link);
    let Some((name, mac)) = found.and_then(|link| Some((&link.name, link.mac?))) else {
        return Ok(Outcome::Unknown("the way there has no hardware address".to_owned()));
    };
    let addresses = netlink.addresses().await?;
    let Some(own) = addresses.iter().find(|address| address.link == link) else {
        return Ok(Outcome::Unknown(format!("`{name}` has no IPv4 address to ask from")));
    };
    let asker = Asker { link, mac, address: own.address };
    netns::within(place, move || exchange(asker, wanted, limit).unwrap_or_else(|e| refusal(&e)))
        .await
}

fn exchange(asker: Asker, wanted: Ipv4Addr, limit: Duration) -> io::Result<Outcome> {
    // The kernel takes a packet socket's protocol in network byte order.
    let protocol = Protocol::from(i32::from(ARP.to_be()));
    let mut socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
    socket.bind(&link_address(asker.link, BROADCAST))?;
    let everyone = link_address(asker.link, BROADCAST);
    let question = request(asker, wanted);
    let begun = Instant::now();
    let mut buffer = [0; 128];
    let mut tries = 0;
    while begun.elapsed() < limit {
        let sent = Instant::now();
        tries += 1;
        socket.send_to(&question, &everyone)?;
        let patience = TRY_EVERY.min(limit.saturating_sub(begun.elapsed()));
        loop {
            let left = patience.saturating_sub(sent.elapsed());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left))?;
            match socket.read(&mut buffer) {
                Ok(count) => {
                    if let Some(mac) = read_reply(&buffer[..count], asker, wanted) {
                        return Ok(Outcome::Yes(format!("{wanted} is at {}", mac_text(mac))));
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    break;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(Outcome::No(no_answer(limit, tries)))
}

fn request(asker: Asker, wanted: Ipv4Addr) -> [u8; PACKET_BYTES] {
    let mut packet = [0; PACKET_BYTES];
    // Ethernet (1) and IPv4 (0x0800), whose addresses have 6 and 4 bytes.
    packet[..6].copy_from_slice(&[0, 1, 8, 0, 6, 4]);
    packet[6..8].copy_from_slice(&REQUEST.to_be_bytes());
    packet[8..14].copy_from_slice(&asker.mac);
    packet[14..18].copy_from_slice(&asker.address.octets());
    packet[24..28].copy_from_slice(&wanted.octets());
    packet
}

/// Returns the hardware address that answers for `wanted`, if the packet is a reply to us.
pub(super) fn read_reply(packet: &[u8], asker: Asker, wanted: Ipv4Addr) -> Option<Mac> {
    let packet = packet.get(..PACKET_BYTES)?;
    let is_reply = packet[6..8] == REPLY.to_be_bytes();
    let is_ours = packet[18..24] == asker.mac && packet[14..18] == wanted.octets();
    if is_reply && is_ours { packet[8..14].try_into().ok() } else { None }
}

/// Returns the address of everything on one interface, for a packet socket.
fn link_address(link: u32, mac: Mac) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is one of the kernel's socket addresses, all of which fit into the
    // storage; the storage is zeroed, and zero is a valid value of each of its fields.
    #[expect(unsafe_code, reason = "no safe constructor exists for packet socket addresses")]
    let packet = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    packet.sll_family = libc::AF_PACKET as u16;
    packet.sll_protocol = ARP.to_be();
    packet.sll_ifindex = link.cast_signed();
    packet.sll_halen = 6;
    packet.sll_addr[..6].copy_from_slice(&mac);
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the storage holds a `sockaddr_ll` of exactly this length.
    #[expect(unsafe_code, reason = "no safe constructor exists for packet socket addresses")]
    unsafe {
        SockAddr::new(storage, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_counts_if_it_is_to_us_and_for_the_address_asked() {
        let here = Ipv4Addr::new(10, 0, 0, 1);
        let wanted = Ipv4Addr::new(10, 0, 0, 2);
        let (ours, theirs) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let asker = Asker { link: 1, mac: ours, address: here };
        let mut reply = request(Asker { link: 1, mac: theirs, address: wanted }, here);
        assert_eq!(read_reply(&reply, asker, wanted), None, "a request is no reply");
        reply[7] = 2;
        assert_eq!(read_reply(&reply, asker, wanted), None, "a reply to somebody else");
        reply[18..24].copy_from_slice(&ours);
        assert_eq!(read_reply(&reply, asker, wanted), Some(theirs));
        assert_eq!(read_reply(&reply, asker, here), None, "another address");
        assert_eq!(read_reply(&reply[..27], asker, wanted), None, "cut short");
    }
}
