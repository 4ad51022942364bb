//! The kernel's own tables, asked over rtnetlink in any namespace, as plain values.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd as _;

use futures::{StreamExt as _, TryStreamExt as _};
use netlab_protocol::Place;
use nix::libc;
use rtnetlink::Handle;
use rtnetlink::packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::{
    InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourState};
use rtnetlink::packet_route::nsid::{NsidAttribute, NsidMessage};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use tokio::runtime::Handle as Runtime;

use crate::error::Error;
use crate::netns;

/// A hardware address.
pub type Mac = [u8; 6];

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it, unique in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether the administrator has set it up.
    pub is_up: bool,
    /// Whether it is the loopback.
    pub is_loopback: bool,
    /// Its hardware address, if it has an Ethernet one.
    pub mac: Option<Mac>,
    /// What it is.
    pub kind: Kind,
    /// Index of the other end of a pair.
    pub peer_index: Option<u32>,
    /// The namespace of the other end, as this namespace numbers it; `None` for the same one.
    pub peer_namespace: Option<i32>,
    /// Packets received since it was made.
    pub received: u64,
    /// Packets sent since it was made.
    pub sent: u64,
}

/// The kinds of interface that the agent treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One end of a pair.
    Veth,
    /// Made and removed by Open vSwitch.
    Openvswitch,
    /// A kind that `ip link` can remove.
    Virtual,
    /// Hardware, or the loopback.
    Physical,
}

/// One IPv4 address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Index of its interface.
    pub link: u32,
    /// The address.
    pub address: Ipv4Addr,
    /// Length of the network prefix.
    pub prefix: u8,
}

/// One IPv4 entry of the main routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The network; `0.0.0.0` with prefix 0 is the default route.
    pub network: Ipv4Addr,
    /// Length of its prefix.
    pub prefix: u8,
    /// Index of the outgoing interface.
    pub link: Option<u32>,
}

/// One IPv4 neighbour whose hardware address is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its hardware address.
    pub mac: Mac,
}

/// A netlink socket in one place.
#[derive(Debug)]
pub struct Netlink {
    handle: Handle,
    place: Place,
}

impl Netlink {
    /// Opens a socket in a place; it stays there.
    pub async fn open(place: &Place) -> Result<Self, Error> {
        let runtime = Runtime::current();
        let opened = netns::within(place, move || {
            let _reactor = runtime.enter();
            rtnetlink::new_connection()
        });
        let (connection, handle, _unsolicited) = opened
            .await?
            .map_err(|source| Error::System { doing: "open a netlink socket", source })?;
        tokio::spawn(connection);
        Ok(Self { handle, place: place.clone() })
    }

    fn refused(&self, doing: &'static str) -> impl Fn(rtnetlink::Error) -> Error {
        let place = self.place.clone();
        move |source| Error::Netlink { doing, place: place.clone(), source }
    }

    /// Returns the interfaces, in the kernel's order.
    pub async fn links(&self) -> Result<Vec<Link>, Error> {
        let links = self.handle.link().get().execute().map_ok(read_link).try_collect();
        links.await.map_err(self.refused("list the interfaces"))
    }

    /// Returns the IPv4 addresses.
    pub async fn addresses(&self) -> Result<Vec<Address>, Error> {
        let addresses = self.handle.address().get().execute().try_filter_map(async |message| {
            let find = |attribute: &AddressAttribute| match attribute {
                AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
                _ => None,
            };
            let (link, prefix) = (message.header.index, message.header.prefix_len);
            let address = message.attributes.iter().find_map(find);
            Ok(address.map(|address| Address { link, address, prefix }))
        });
        addresses.try_collect().await.map_err(self.refused("list the addresses"))
    }

    /// Returns the IPv4 unicast routes of the main table.
    pub async fn routes(&self) -> Result<Vec<Route>, Error> {
        let mut all = RouteMessage::default();
        all.header.address_family = AddressFamily::Inet;
        let routes = self.handle.route().get(all).execute();
        let routes = routes.try_filter_map(async |message| Ok(read_route(&message)));
        routes.try_collect().await.map_err(self.refused("list the routes"))
    }

    /// Returns the index of the interface through which an address is reached; `None` if no
    /// route leads there.
    pub async fn way_to(&self, address: Ipv4Addr) -> Result<Option<u32>, Error> {
        let mut question = RouteMessage::default();
        question.header.address_family = AddressFamily::Inet;
        question.header.destination_prefix_length = 32;
        question.attributes.push(RouteAttribute::Destination(RouteAddress::Inet(address)));
        let answer = match self.handle.route().get(question).execute().try_next().await {
            Err(rtnetlink::Error::NetlinkError(message))
                if [-libc::ENETUNREACH, -libc::EHOSTUNREACH].contains(&message.raw_code()) =>
            {
                None
            }
            answer => answer.map_err(self.refused("look up a route"))?,
        };
        let outgoing = |attribute: &RouteAttribute| match attribute {
            RouteAttribute::Oif(index) => Some(*index),
            _ => None,
        };
        Ok(answer.and_then(|message| message.attributes.iter().find_map(outgoing)))
    }

    /// Returns the IPv4 neighbours whose hardware address is known.
    pub async fn neighbours(&self) -> Result<Vec<Neighbour>, Error> {
        let request = self.handle.neighbours().get().set_address_family(AddressFamily::Inet);
        let neighbours = request.execute().try_filter_map(async |message| {
            let unknown =
                [NeighbourState::Failed, NeighbourState::Incomplete, NeighbourState::Noarp];
            if unknown.contains(&message.header.state) {
                return Ok(None);
            }
            let (mut address, mut mac) = (None, None);
            for attribute in &message.attributes {
                match attribute {
                    NeighbourAttribute::Destination(NeighbourAddress::Inet(it)) => {
                        address = Some(*it);
                    }
                    NeighbourAttribute::LinkLayerAddress(it) => mac = it.as_slice().try_into().ok(),
                    _ => {}
                }
            }
            Ok(address.zip(mac).map(|(address, mac)| Neighbour { address, mac }))
        });
        neighbours.try_collect().await.map_err(self.refused("list the neighbours"))
    }

    /// Returns the number that this namespace has for another; `None` if it has none for it.
    pub async fn number_of(&self, other: &Place) -> Result<Option<i32>, Error> {
        let namespace = netns::open(other)?;
        // A descriptor is never negative, so the bits are the same.
        let descriptor = namespace.as_raw_fd().cast_unsigned();
        let mut question = NsidMessage::default();
        question.attributes.push(NsidAttribute::Fd(descriptor));
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetNsId(question));
        request.header.flags = NLM_F_REQUEST;
        let doing = "ask for the number of a namespace";
        let answers = self.handle.clone().request(request).map_err(self.refused(doing))?;
        let number = |answer: NetlinkMessage<RouteNetlinkMessage>| match answer.payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNsId(message)) => {
                message.attributes.into_iter().find_map(|attribute| match attribute {
                    // The kernel's "not assigned".
                    NsidAttribute::Id(-1) => None,
                    NsidAttribute::Id(number) => Some(number),
                    _ => None,
                })
            }
            _ => None,
        };
        let numbers: Vec<i32> = answers.filter_map(async |answer| number(answer)).collect().await;
        Ok(numbers.first().copied())
    }

    /// Removes an interface; one that is gone already is no error.
    pub async fn remove_link(&self, index: u32) -> Result<(), Error> {
        match self.handle.link().del(index).execute().await {
            Err(rtnetlink::Error::NetlinkError(message)) if message.raw_code() == -libc::ENODEV => {
                Ok(())
            }
            done => done.map_err(self.refused("remove an interface")),
        }
    }
}

/// Writes a hardware address as `ip` does.
pub fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Reads a hardware address, in either case.
pub fn parse_mac(text: &str) -> Option<Mac> {
    let bytes = text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok());
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

fn read_link(message: LinkMessage) -> Link {
    let is_loopback = message.header.link_layer_type == LinkLayerType::Loopback;
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        is_up: message.header.flags.contains(LinkFlags::Up),
        is_loopback,
        mac: None,
        kind: Kind::Physical,
        peer_index: None,
        peer_namespace: None,
        received: 0,
        sent: 0,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(bytes) if !is_loopback => link.mac = bytes.try_into().ok(),
            LinkAttribute::Link(index) => link.peer_index = Some(index),
            LinkAttribute::LinkNetNsId(number) => link.peer_namespace = Some(number),
            LinkAttribute::Stats64(counters) => {
                link.received = counters.rx_packets;
                link.sent = counters.tx_packets;
            }
            LinkAttribute::LinkInfo(infos) => {
                link.kind = infos.iter().find_map(read_kind).unwrap_or(link.kind);
            }
            _ => {}
        }
    }
    link
}

fn read_kind(info: &LinkInfo) -> Option<Kind> {
    match info {
        LinkInfo::Kind(InfoKind::Veth) => Some(Kind::Veth),
        LinkInfo::Kind(InfoKind::Other(name)) if name == "openvswitch" => Some(Kind::Openvswitch),
        LinkInfo::Kind(_) => Some(Kind::Virtual),
        _ => None,
    }
}

fn read_route(message: &RouteMessage) -> Option<Route> {
    let header = &message.header;
    if header.table != RouteHeader::RT_TABLE_MAIN || header.kind != RouteType::Unicast {
        return None;
    }
    let prefix = header.destination_prefix_length;
    let mut route = Route { network: Ipv4Addr::UNSPECIFIED, prefix, link: None };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(network)) => route.network = *network,
            RouteAttribute::Oif(index) => route.link = Some(*index),
            _ => {}
        }
    }
    Some(route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_are_read_in_either_case_and_written_in_lower() {
        let mac = parse_mac("5A:00:ff:01:02:0b").unwrap();
        assert_eq!(mac_text(mac), "5a:00:ff:01:02:0b");
        for text in ["", "5a:00:ff:01:02", "5a:00:ff:01:02:0b:0c", "5a:00:ff:01:02:zz"] {
            assert_eq!(parse_mac(text), None, "{text}");
        }
    }
}
