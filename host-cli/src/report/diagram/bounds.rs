//! How much a drawing may hold: a guest can say a mebibyte of names, and each line is as wide as the longest
//! of its box.

use netlab_protocol::{Interface, Place, Topology};

/// Longest name that is drawn, in characters: a namespace of a lab has no longer one, and an interface 15.
const MAX_NAME: usize = 64;

/// Most things that are drawn. The demos have twenty.
const MOST_THINGS: usize = 1000;

/// Returns a topology with names that can be drawn; in words, that it has too much for it.
pub(super) fn within(topology: &Topology) -> Result<Topology, String> {
    let of_interface = |interface: &Interface| 1 + interface.addresses.len();
    let namespaces = topology.namespaces.iter().map(|namespace| {
        let interfaces: usize = namespace.interfaces.iter().map(of_interface).sum();
        1 + interfaces + namespace.processes.len()
    });
    let switches = topology.switches.iter().map(|switch| 1 + switch.ports.len());
    let things: usize = namespaces.chain(switches).sum();
    if things > MOST_THINGS {
        return Err(format!(
            "no diagram: the guest has {things} things to draw, and {MOST_THINGS} is the most"
        ));
    }
    let mut topology = topology.clone();
    for namespace in &mut topology.namespaces {
        cut_place(&mut namespace.place);
        for interface in &mut namespace.interfaces {
            cut(&mut interface.name);
            interface.addresses.iter_mut().for_each(cut);
            if let Some(peer) = &mut interface.peer {
                cut_place(&mut peer.place);
                cut(&mut peer.name);
            }
        }
        namespace.processes.iter_mut().for_each(cut);
    }
    for switch in &mut topology.switches {
        cut(&mut switch.name);
        switch.ports.iter_mut().for_each(|port| cut(&mut port.name));
    }
    Ok(topology)
}

fn cut_place(place: &mut Place) {
    if let Place::Namespace(name) = place {
        cut(name);
    }
}

fn cut(name: &mut String) {
    if let Some((end, _)) = name.char_indices().nth(MAX_NAME) {
        name.truncate(end);
    }
}
