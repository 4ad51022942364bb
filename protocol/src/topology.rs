//! How the guest is wired, as the kernel and the switch report it.

use serde::{Deserialize, Serialize};

use crate::plan::Place;

/// Everything that a diagram of the guest's network needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// The guest's first namespace, then the named ones in the order of the lab.
    pub namespaces: Vec<Namespace>,
    /// Open vSwitch bridges.
    pub switches: Vec<Switch>,
}

/// One network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// Which.
    pub place: Place,
    /// Its interfaces, in the kernel's order.
    pub interfaces: Vec<Interface>,
    /// Names of the lab's background commands and of other known servers that run in it.
    pub processes: Vec<String>,
}

/// One interface of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// Whether it is set up by the administrator.
    pub up: bool,
    /// MAC address, in lower-case hexadecimal with colons; `None` for the loopback.
    pub mac: Option<String>,
    /// IPv4 addresses with prefix length.
    pub addresses: Vec<String>,
    /// The other end, if it is one end of a veth pair.
    pub peer: Option<Peer>,
}

/// The other end of a veth pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Where that end is.
    pub place: Place,
    /// Its name.
    pub name: String,
}

/// One Open vSwitch bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Name of the bridge.
    pub name: String,
    /// Its ports, the bridge's own internal port left out.
    pub ports: Vec<SwitchPort>,
}

/// One port of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchPort {
    /// Name of the port, which is its interface's name.
    pub name: String,
    /// VLAN tag, if the port is an access port.
    pub tag: Option<u16>,
}
