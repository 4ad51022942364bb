//! What stands in the boxes of a diagram: of a namespace its interfaces, addresses and processes,
//! of a switch its ports. What is the same in every guest is left out.

use netlab_protocol::{Interface, Namespace, Place, Switch, SwitchPort, Topology};

/// Every namespace has one; it is only worth a line where there is nothing else.
const LOOPBACK: &str = "lo";

/// Open vSwitch's own handle on its kernel part.
const DATAPATH: &str = "ovs-system";

/// How much room the lines may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// An interface and its addresses in one line.
    Wide,
    /// An address beneath its interface.
    Narrow,
}

/// The interfaces of a namespace that a diagram shows.
pub(super) fn interfaces<'a>(topology: &Topology, namespace: &'a Namespace) -> Vec<&'a Interface> {
    let shown = |interface: &&Interface| {
        let name = interface.name.as_str();
        // A switch's own interface says nothing that its box doesn't, unless it has an address.
        let bridge = topology.switches.iter().any(|switch| switch.name == name);
        name != LOOPBACK && name != DATAPATH && !(bridge && interface.addresses.is_empty())
    };
    let others: Vec<&Interface> = namespace.interfaces.iter().filter(shown).collect();
    if others.is_empty() && namespace.place != Place::Root {
        namespace.interfaces.iter().filter(|interface| interface.name == LOOPBACK).collect()
    } else {
        others
    }
}

/// The lines for some interfaces of a namespace and for what runs in it.
pub(super) fn lines(interfaces: &[&Interface], processes: &[String], shape: Shape) -> Vec<String> {
    let width =
        interfaces.iter().map(|interface| interface.name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for interface in interfaces {
        let name = &interface.name;
        let states = states(interface);
        match shape {
            Shape::Wide => {
                for (number, state) in states.iter().enumerate() {
                    let name = if number == 0 { name.as_str() } else { "" };
                    lines.push(format!("{name:<width$}  {state}"));
                }
            }
            Shape::Narrow => {
                lines.push(name.clone());
                lines.extend(states.iter().map(|state| format!("  {state}")));
            }
        }
    }
    lines.extend(runs(processes));
    lines
}

/// One line for each program that runs, however often it does.
pub(super) fn runs(processes: &[String]) -> Vec<String> {
    let mut names: Vec<&String> = processes.iter().collect();
    names.dedup();
    names.into_iter().map(|name| format!("runs {name}")).collect()
}

/// The lines of a switch's box, where it stands for itself.
pub(super) fn ports(switch: &Switch) -> Vec<String> {
    let width = switch.ports.iter().map(|port| port.name.chars().count()).max().unwrap_or(0);
    let tagged = has_tags(switch);
    switch
        .ports
        .iter()
        .map(|port| format!("{:<width$}  {}", port.name, tag(port, tagged)))
        .collect()
}

/// Whether any port of the switch has a VLAN tag.
pub(super) fn has_tags(switch: &Switch) -> bool {
    switch.ports.iter().any(|port| port.tag.is_some())
}

/// A port's VLAN in words. Without a tag of its own a port carries all VLANs, if there are any.
pub(super) fn tag(port: &SwitchPort, switch_has_tags: bool) -> String {
    match port.tag {
        Some(tag) => format!("VLAN {tag}"),
        None if switch_has_tags => "all VLANs".to_owned(),
        None => "no VLAN tag".to_owned(),
    }
}

fn states(interface: &Interface) -> Vec<String> {
    if !interface.up {
        return vec!["down".to_owned()];
    }
    if interface.addresses.is_empty() {
        return vec!["up".to_owned()];
    }
    interface.addresses.clone()
}
