//! How the guest is wired now, measured: interfaces by netlink, ports by the switch's database,
//! the ends of each pair by the kernel's own numbers for namespaces.

use std::collections::BTreeMap;

use netlab_protocol::topology::Peer;
use netlab_protocol::{Interface, Namespace, Place, Topology};

use crate::error::Error;
use crate::lab::Lab;
use crate::netlink::{Address, Kind, Link, Netlink, mac_text};
use crate::netns;
use crate::process;
use crate::switch;

/// What was measured in one place.
#[derive(Debug)]
struct Measured {
    place: Place,
    inode: u64,
    links: Vec<Link>,
    addresses: Vec<Address>,
    /// The other places by this place's number for each.
    numbers: BTreeMap<i32, Place>,
}

/// Measures the lab's places, or, with no lab, every namespace that has a name.
///
/// # Errors
/// What asking the kernel or the switch may say.
pub async fn measure(lab: Option<&Lab>) -> Result<Topology, Error> {
    let there = netns::names()?;
    let mut places = lab.map_or_else(|| vec![Place::Root], Lab::places);
    places.retain(|place| *place == Place::Root || there.iter().any(|name| name == place.name()));
    for name in there {
        let place = Place::Namespace(name);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let mut all = Vec::new();
    for place in &places {
        all.push(measure_place(place, &places).await?);
    }
    let mut processes = lab.map(processes_by_namespace).transpose()?.unwrap_or_default();
    let mut namespaces = Vec::new();
    for measured in &all {
        namespaces.push(Namespace {
            place: measured.place.clone(),
            interfaces: measured.links.iter().map(|link| describe(link, measured, &all)).collect(),
            processes: processes.remove(&measured.inode).unwrap_or_default(),
        });
    }
    Ok(Topology { namespaces, switches: switch::bridges().await? })
}

async fn measure_place(place: &Place, places: &[Place]) -> Result<Measured, Error> {
    let netlink = Netlink::open(place).await?;
    let links = netlink.links().await?;
    let mut numbers = BTreeMap::new();
    if links.iter().any(|link| link.peer_namespace.is_some()) {
        for other in places.iter().filter(|&other| other != place) {
            if let Some(number) = netlink.number_of(other).await? {
                numbers.insert(number, other.clone());
            }
        }
    }
    let (addresses, inode) = (netlink.addresses().await?, netns::inode(place)?);
    Ok(Measured { place: place.clone(), inode, links, addresses, numbers })
}

fn describe(link: &Link, measured: &Measured, all: &[Measured]) -> Interface {
    let own = measured.addresses.iter().filter(|address| address.link == link.index);
    Interface {
        name: link.name.clone(),
        up: link.is_up,
        mac: link.mac.map(mac_text),
        addresses: own.map(|it| format!("{}/{}", it.address, it.prefix)).collect(),
        peer: find_peer(link, measured, all),
    }
}

/// Finds the other end of a pair. Interface numbers repeat from namespace to namespace, so the
/// namespace is found first.
fn find_peer(link: &Link, measured: &Measured, all: &[Measured]) -> Option<Peer> {
    let index = link.peer_index.filter(|_| link.kind == Kind::Veth)?;
    let place = match link.peer_namespace {
        Some(number) => measured.numbers.get(&number)?,
        None => &measured.place,
    };
    let there = all.iter().find(|other| other.place == *place)?;
    let end = there.links.iter().find(|other| other.index == index)?;
    Some(Peer { place: place.clone(), name: end.name.clone() })
}

/// Names what the lab runs, by the inode of its network namespace: background commands by their
/// names in the lab, daemons that steps have left by their own.
fn processes_by_namespace(lab: &Lab) -> Result<BTreeMap<u64, Vec<String>>, Error> {
    let processes = process::read_all(&lab.cgroup.pids()?);
    let mut named: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (pid, process) in process::leaves(&processes) {
        let is_it = |(_, background): &(&String, &crate::background::Background)| {
            process::is_within(pid, background.pid, &processes)
        };
        let background = lab.backgrounds.iter().find(is_it).map(|(name, _)| name.clone());
        let name = background.unwrap_or_else(|| process.name.clone());
        if let Some(inode) = netns::inode_of_process(pid) {
            let names = named.entry(inode).or_default();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str, peer_index: u32, peer_namespace: Option<i32>) -> Link {
        Link {
            index,
            name: name.to_owned(),
            is_up: true,
            is_loopback: false,
            mac: None,
            kind: Kind::Veth,
            peer_index: Some(peer_index),
            peer_namespace,
            received: 0,
            sent: 0,
        }
    }

    fn place(name: &str, links: Vec<Link>, numbers: &[(i32, &str)]) -> Measured {
        let place = |name: &str| Place::from(name.to_owned());
        let numbers = numbers.iter().map(|&(number, name)| (number, place(name))).collect();
        Measured { place: place(name), inode: 0, links, addresses: vec![], numbers }
    }

    #[test]
    fn ends_with_the_same_number_are_told_apart_by_their_namespaces() {
        // Both inner ends are number 2, as the kernel likes to give them.
        let all = [
            place(
                "root",
                vec![link(5, "veth-r", 2, Some(0)), link(6, "veth-b", 2, Some(1))],
                &[(0, "red"), (1, "blue")],
            ),
            place("red", vec![link(2, "eth0-r", 5, Some(0))], &[(0, "root")]),
            place("blue", vec![link(2, "eth0-b", 6, Some(0))], &[(0, "root")]),
        ];
        let peers = |measured: &Measured| {
            let peers = measured.links.iter().filter_map(|link| find_peer(link, measured, &all));
            peers.map(|peer| format!("{} in {}", peer.name, peer.place)).collect::<Vec<_>>()
        };
        assert_eq!(peers(&all[0]), ["eth0-r in red", "eth0-b in blue"]);
        assert_eq!(peers(&all[1]), ["veth-r in root"]);
        assert_eq!(peers(&all[2]), ["veth-b in root"]);
    }

    #[test]
    fn both_ends_in_one_namespace_find_each_other() {
        let all = [place("root", vec![link(1, "a", 2, None), link(2, "b", 1, None)], &[])];
        let peer = find_peer(&all[0].links[0], &all[0], &all).unwrap();
        assert_eq!((peer.place, peer.name), (Place::Root, "b".to_owned()));
    }
}
