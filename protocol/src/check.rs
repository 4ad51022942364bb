//! Checks: one claim each, and how the guest proves it.
//!
//! To add a kind, add a variant to [`Probe`] (its fields are what authors write) and a function
//! to the agent's `probe` folder. Strings may hold `$NAME`, so addresses are parsed in the guest,
//! after the values are known; those that hold none are judged by `Probe::validate` before.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::plan::Place;

/// One claim and its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Line of the lab file on which the check begins, from 1.
    pub line: u32,
    /// Name within the lab; the planner makes one where the author gave none.
    pub id: String,
    /// The sentence that is printed.
    pub claim: String,
    /// Where the probe runs.
    pub place: Place,
    /// Whether the claim is that the probe does *not* succeed.
    pub negative: bool,
    /// For a negative check: id of the positive check with the same kind of probe, which is run
    /// beside it and must succeed.
    pub control: Option<String>,
    /// How long the claim may take to come true, in milliseconds. A positive probe is repeated
    /// until then; a negative one is tried for this long and must not succeed once.
    pub within_ms: u64,
    /// How it is proven.
    pub probe: Probe,
}

/// How a claim is proven. In the lab file the variant's name is the key: `reach = "10.0.0.2"`,
/// `address = { link = "eth0-r", is = "10.0.0.1/24" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// An answer comes back from there.
    Reach(Target),
    /// An interface has an IPv4 address.
    Address(AddressProbe),
    /// The routing table has an entry.
    Route(RouteProbe),
    /// The neighbour (ARP) table has an entry with a known MAC address.
    Neighbour(NeighbourProbe),
    /// An interface exists in the namespace.
    Link(LinkProbe),
    /// The namespace has exactly these interfaces.
    Links(Vec<String>),
    /// A socket listens in the namespace: `tcp:4000` or `udp:67`.
    Listens(String),
    /// The background command of this name runs in the namespace.
    Process(String),
    /// All the places have the same namespace of a kind (a link under `/proc/PID/ns`).
    Same(NamespaceLinkProbe),
    /// Each of the places has a namespace of its own of a kind.
    Differs(NamespaceLinkProbe),
    /// A dnsmasq lease file has an entry.
    Lease(LeaseProbe),
    /// A capture file holds a frame.
    Frames(FramesProbe),
    /// An interface's packet counters rise while a command runs.
    Rises(RisesProbe),
    /// A command ends with a status and prints something.
    Command(CommandProbe),
}

impl Probe {
    /// Whether an answer from elsewhere is awaited; all others look at a state that is there.
    pub fn awaits_answer(&self) -> bool {
        matches!(self, Self::Reach(_))
    }

    /// The key that names the kind in the lab file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Reach(_) => "reach",
            Self::Address(_) => "address",
            Self::Route(_) => "route",
            Self::Neighbour(_) => "neighbour",
            Self::Link(_) => "link",
            Self::Links(_) => "links",
            Self::Listens(_) => "listens",
            Self::Process(_) => "process",
            Self::Same(_) => "same",
            Self::Differs(_) => "differs",
            Self::Lease(_) => "lease",
            Self::Frames(_) => "frames",
            Self::Rises(_) => "rises",
            Self::Command(_) => "command",
        }
    }

    /// The places that it names, beside the one in which it runs.
    pub fn places(&self) -> &[Place] {
        match self {
            Self::Same(probe) | Self::Differs(probe) => &probe.places,
            Self::Reach(_)
            | Self::Address(_)
            | Self::Route(_)
            | Self::Neighbour(_)
            | Self::Link(_)
            | Self::Links(_)
            | Self::Listens(_)
            | Self::Process(_)
            | Self::Lease(_)
            | Self::Frames(_)
            | Self::Rises(_)
            | Self::Command(_) => &[],
        }
    }

    /// The background command that it is about.
    pub fn background(&self) -> Option<&str> {
        match self {
            Self::Process(name) => Some(name),
            Self::Reach(_)
            | Self::Address(_)
            | Self::Route(_)
            | Self::Neighbour(_)
            | Self::Link(_)
            | Self::Links(_)
            | Self::Listens(_)
            | Self::Same(_)
            | Self::Differs(_)
            | Self::Lease(_)
            | Self::Frames(_)
            | Self::Rises(_)
            | Self::Command(_) => None,
        }
    }
}

/// What is to be reached, and how: `10.0.0.2` (one ICMP echo), `tcp:10.0.0.2:4000` (a
/// connection), `arp:10.20.30.2` (an ARP answer).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// One ICMP echo and its reply.
    Ping {
        /// IPv4 address, or a `$NAME` that becomes one.
        address: String,
    },
    /// A TCP connection is accepted.
    Tcp {
        /// IPv4 address, or a `$NAME` that becomes one.
        address: String,
        /// Port.
        port: u16,
    },
    /// An ARP request is answered.
    Arp {
        /// IPv4 address, or a `$NAME` that becomes one.
        address: String,
    },
}

/// A text that is no [`Target`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no target: write `10.0.0.2`, `tcp:10.0.0.2:4000` or `arp:10.0.0.2`")]
pub struct BadTarget {
    text: String,
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let bad = || BadTarget { text: text.to_owned() };
        let address = |word: &str| {
            let known = word.starts_with('$') || word.parse::<std::net::Ipv4Addr>().is_ok();
            known.then(|| word.to_owned()).ok_or_else(bad)
        };
        if let Some(rest) = text.strip_prefix("tcp:") {
            let (host, port) = rest.rsplit_once(':').ok_or_else(bad)?;
            let port = port.parse().map_err(|_| bad())?;
            return Ok(Self::Tcp { address: address(host)?, port });
        }
        match text.strip_prefix("arp:") {
            Some(rest) => Ok(Self::Arp { address: address(rest)? }),
            None => Ok(Self::Ping { address: address(text)? }),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = BadTarget;

    fn try_from(text: String) -> Result<Self, BadTarget> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ping { address } => formatter.write_str(address),
            Self::Tcp { address, port } => write!(formatter, "tcp:{address}:{port}"),
            Self::Arp { address } => write!(formatter, "arp:{address}"),
        }
    }
}

/// `address = { link = "eth0-r", is = "10.0.0.1/24" }`, or `between = ["10.20.30.10", "10.20.30.100"]`.
/// With neither, any IPv4 address will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressProbe {
    /// Name of the interface.
    pub link: String,
    /// The address with its prefix length.
    #[serde(default)]
    pub is: Option<String>,
    /// First and last address of a range.
    #[serde(default)]
    pub between: Option<(String, String)>,
}

/// `route = { to = "10.0.0.0/24", link = "eth0-r" }`; `to` may be `default`, or `any` for any
/// entry of the main table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteProbe {
    /// Destination: a network, `default` or `any`.
    pub to: String,
    /// The outgoing interface.
    #[serde(default)]
    pub link: Option<String>,
}

/// `neighbour = { address = "10.20.30.2", mac = "$TAP_R_MAC" }`; `address = "any"` for any entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeighbourProbe {
    /// The neighbour's IPv4 address, or `any`.
    pub address: String,
    /// Its MAC address.
    #[serde(default)]
    pub mac: Option<String>,
}

/// `link = { name = "veth-r", state = "up" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkProbe {
    /// Name of the interface.
    pub name: String,
    /// Whether it is set up or down by the administrator (the `UP` flag), if that matters.
    #[serde(default)]
    pub state: Option<LinkState>,
}

/// The administrator's setting of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// `ip link set … up`
    Up,
    /// `ip link set … down`
    Down,
}

/// `differs = { kind = "net", places = ["root", "red", "blue"] }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamespaceLinkProbe {
    /// Name of the link under `/proc/PID/ns`: `net`, `pid`, `uts`, …
    pub kind: String,
    /// The places whose links are compared.
    pub places: Vec<Place>,
}

/// `lease = { file = "/run/dhcp-r.leases", mac = "$RED_MAC", address = "$RED_IP" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseProbe {
    /// The lease file of dnsmasq.
    pub file: String,
    /// MAC address of the client.
    pub mac: String,
    /// The leased address, if it matters.
    #[serde(default)]
    pub address: Option<String>,
}

/// `frames = { file = "/tmp/wire.pcap", from = "$RED_MAC", vlan = 100 }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FramesProbe {
    /// A capture in pcap format, as `tcpdump -w` writes it.
    pub file: String,
    /// Source MAC address of the frame.
    pub from: String,
    /// Its 802.1Q VLAN tag; without it, an untagged frame.
    #[serde(default)]
    pub vlan: Option<u16>,
}

/// `rises = { links = ["veth-r", "veth-b"], during = "ip netns exec red ping -c 2 10.0.0.2" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RisesProbe {
    /// Interfaces in the check's place whose received and sent packets are both counted.
    pub links: Vec<String>,
    /// The shell command that makes the traffic, run in the guest's first namespace.
    pub during: String,
}

/// `command = { run = "ip netns", stdout = "^red" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandProbe {
    /// The shell command.
    pub run: String,
    /// A regular expression that its standard output must match.
    #[serde(default)]
    pub stdout: Option<String>,
    /// The exit status it must end with.
    #[serde(default)]
    pub exit: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_read_back_as_they_are_written() {
        for text in ["10.0.0.2", "tcp:10.0.0.2:4000", "arp:10.20.30.2", "$RED_IP", "tcp:$B:80"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_target_says_how_to_write_one() {
        for text in ["", "10.0.0", "tcp:10.0.0.2", "tcp:10.0.0.2:http", "arp:", "udp:10.0.0.1:1"] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            let words = format!(
                "`{text}` is no target: write `10.0.0.2`, `tcp:10.0.0.2:4000` or `arp:10.0.0.2`"
            );
            assert_eq!(error, words);
        }
    }
}
