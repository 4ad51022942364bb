//! What is wrong with a probe before it runs: texts that no kernel table could ever hold.
//!
//! Texts that hold a `$NAME` are left out, since their values are known only in the guest. The
//! pattern of [`Probe::Command`] is judged where the engine that will read it is at hand.

use std::net::Ipv4Addr;

use crate::check::{
    AddressProbe, CommandProbe, FramesProbe, LeaseProbe, LinkProbe, NamespaceLinkProbe,
    NeighbourProbe, Probe, RisesProbe, RouteProbe,
};
use crate::plan::Place;

/// The kernel's limit for an interface's name (`IFNAMSIZ`), without the end mark.
const LINK_NAME_BYTES: usize = 15;

/// 802.1Q has 12 bits for a tag, and its largest number is reserved.
const LARGEST_VLAN: u16 = 4094;

/// Kinds of namespaces that Linux has, as links under `/proc/PID/ns`.
const NAMESPACE_KINDS: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/// A probe that can't succeed, whatever the guest is like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Problem {
    /// The text that is wrong, as the author wrote it; `None` if it is the probe as a whole.
    pub text: Option<String>,
    words: String,
}

impl Problem {
    /// A text that is not what it should be; `cure` says what to write.
    pub fn with(text: &str, what: &str, cure: &str) -> Self {
        Self { text: Some(text.to_owned()), words: format!("`{text}` is no {what}: {cure}") }
    }

    fn whole(words: impl Into<String>) -> Self {
        Self { text: None, words: words.into() }
    }
}

impl Probe {
    /// Says what is wrong with the probe, if it can be known before it runs.
    ///
    /// # Errors
    /// [`Problem`]: the first one.
    pub fn validate(&self) -> Result<(), Problem> {
        match self {
            // A target is judged when it is read.
            Self::Reach(_) | Self::Process(_) => Ok(()),
            Self::Address(probe) => address(probe),
            Self::Route(RouteProbe { to, link }) => {
                judged(to, destination)?;
                maybe(link, link_name)
            }
            Self::Neighbour(NeighbourProbe { address, mac }) => {
                if address != "any" {
                    judged(address, ipv4)?;
                }
                maybe(mac, mac_address)
            }
            Self::Link(LinkProbe { name, state: _ }) => judged(name, link_name),
            Self::Links(names) if names.is_empty() => Err(Problem::whole(
                "the list is empty: every namespace has `lo` at least, so write `[\"lo\"]`",
            )),
            Self::Links(names) => names.iter().try_for_each(|name| judged(name, link_name)),
            Self::Listens(socket) => judged(socket, listening),
            Self::Same(probe) | Self::Differs(probe) => compared(probe),
            Self::Lease(LeaseProbe { file: _, mac, address }) => {
                judged(mac, mac_address)?;
                maybe(address, ipv4)
            }
            Self::Frames(FramesProbe { file: _, from, vlan }) => {
                judged(from, mac_address)?;
                match vlan {
                    Some(tag) if *tag > LARGEST_VLAN => Err(Problem::whole(format!(
                        "{tag} is no VLAN tag: the largest is {LARGEST_VLAN}"
                    ))),
                    _ => Ok(()),
                }
            }
            Self::Rises(RisesProbe { links, during }) => {
                if links.is_empty() {
                    return Err(Problem::whole("`links` is empty: name the interfaces to count"));
                }
                command(during)?;
                links.iter().try_for_each(|name| judged(name, link_name))
            }
            Self::Command(CommandProbe { run, stdout: _, exit }) => {
                if !(0..=255).contains(exit) {
                    return Err(Problem::whole(format!(
                        "{exit} is no exit status: write a number from 0 to 255"
                    )));
                }
                command(run)
            }
        }
    }
}

/// Judges a text that holds no value.
fn judged(text: &str, judge: fn(&str) -> Result<(), Problem>) -> Result<(), Problem> {
    if text.contains('$') { Ok(()) } else { judge(text) }
}

fn maybe(text: &Option<String>, judge: fn(&str) -> Result<(), Problem>) -> Result<(), Problem> {
    text.as_deref().map_or(Ok(()), |text| judged(text, judge))
}

fn address(AddressProbe { link, is, between }: &AddressProbe) -> Result<(), Problem> {
    judged(link, link_name)?;
    if is.is_some() && between.is_some() {
        return Err(Problem::whole("has both `is` and `between`: leave one out"));
    }
    maybe(is, |text| match prefixed(text) {
        Some(_) => Ok(()),
        None => Err(Problem::with(text, "address with a prefix", "write `10.0.0.1/24`")),
    })?;
    let Some((first, last)) = between else {
        return Ok(());
    };
    judged(first, ipv4)?;
    judged(last, ipv4)?;
    match (first.parse::<Ipv4Addr>(), last.parse::<Ipv4Addr>()) {
        (Ok(from), Ok(to)) if from > to => Err(Problem::whole(format!(
            "no address is between `{first}` and `{last}`: write the lower one first"
        ))),
        _ => Ok(()),
    }
}

fn compared(NamespaceLinkProbe { kind, places }: &NamespaceLinkProbe) -> Result<(), Problem> {
    if !NAMESPACE_KINDS.contains(&kind.as_str()) {
        let known = NAMESPACE_KINDS.map(|kind| format!("`{kind}`")).join(", ");
        return Err(Problem::with(kind, "kind of namespace", &format!("write one of {known}")));
    }
    if places.len() < 2 {
        return Err(Problem::whole("`places` has fewer than two places to compare"));
    }
    let twice = places.iter().enumerate().find(|(at, place)| places[..*at].contains(place));
    match twice.map(|(_, place)| Place::name(place)) {
        Some(name) => Err(Problem::whole(format!("`places` names `{name}` twice"))),
        None => Ok(()),
    }
}

fn command(text: &str) -> Result<(), Problem> {
    if text.trim().is_empty() { Err(Problem::whole("the command is empty")) } else { Ok(()) }
}

fn ipv4(text: &str) -> Result<(), Problem> {
    match text.parse::<Ipv4Addr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(Problem::with(text, "IPv4 address", "write `10.0.0.1`")),
    }
}

fn destination(text: &str) -> Result<(), Problem> {
    if matches!(text, "default" | "any") {
        return Ok(());
    }
    let no_network = |cure: &str| Err(Problem::with(text, "destination", cure));
    let Some((address, prefix)) = prefixed(text) else {
        return no_network("write `10.0.0.0/24`, `default` or `any`");
    };
    // The table is read with `default` in the place of 0.0.0.0/0.
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    match Ipv4Addr::from_bits(address.to_bits() & mask) {
        _ if prefix == 0 => no_network("write `default`"),
        network if network == address => Ok(()),
        network => no_network(&format!("write `{network}/{prefix}`")),
    }
}

/// Reads `10.0.0.1/24`. What is compared is text, so a second way to write it is none.
fn prefixed(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let (address, prefix) = (address.parse::<Ipv4Addr>().ok()?, prefix.parse::<u8>().ok()?);
    (prefix <= 32 && format!("{address}/{prefix}") == text).then_some((address, prefix))
}

fn mac_address(text: &str) -> Result<(), Problem> {
    let byte = |part: &str| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() == 6 && parts.into_iter().all(byte) {
        return Ok(());
    }
    Err(Problem::with(text, "MAC address", "write `02:00:00:00:00:0a`"))
}

fn listening(text: &str) -> Result<(), Problem> {
    let port = text.strip_prefix("tcp:").or_else(|| text.strip_prefix("udp:"));
    match port.and_then(|port| port.parse::<u16>().ok()) {
        Some(1..) => Ok(()),
        Some(0) | None => Err(Problem::with(text, "socket", "write `tcp:4000` or `udp:67`")),
    }
}

fn link_name(text: &str) -> Result<(), Problem> {
    let fits = (1..=LINK_NAME_BYTES).contains(&text.len());
    if fits && !text.contains(|letter: char| letter == '/' || letter.is_whitespace()) {
        return Ok(());
    }
    let cure = "it has 1 to 15 letters, and neither `/` nor spaces";
    Err(Problem::with(text, "name of an interface", cure))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> String {
        let probe: Probe = serde_json::from_str(json).unwrap();
        probe.validate().map_or_else(|problem| problem.to_string(), |()| "right".to_owned())
    }

    #[test]
    fn a_destination_is_a_network_and_an_address_has_its_own_bits() {
        for (to, expected) in [
            ("any", "right"),
            ("default", "right"),
            ("10.0.0.0/24", "right"),
            ("10.0.0.1/32", "right"),
            ("$NET/24", "right"),
            ("10.0.0.1/24", "`10.0.0.1/24` is no destination: write `10.0.0.0/24`"),
            ("0.0.0.0/0", "`0.0.0.0/0` is no destination: write `default`"),
            (
                "10.0.0.0/024",
                "`10.0.0.0/024` is no destination: write `10.0.0.0/24`, `default` or `any`",
            ),
        ] {
            assert_eq!(said(&format!(r#"{{"route": {{"to": "{to}"}}}}"#)), expected);
        }
    }

    #[test]
    fn values_are_left_to_the_guest() {
        for json in [
            r#"{"address": {"link": "$LINK", "is": "$IP/24"}}"#,
            r#"{"address": {"link": "lo", "between": ["$LOW", "10.0.0.1"]}}"#,
            r#"{"neighbour": {"address": "any", "mac": "$MAC"}}"#,
            r#"{"lease": {"file": "/l", "mac": "02:00:00:00:00:0A", "address": "$IP"}}"#,
            r#"{"listens": "tcp:$PORT"}"#,
            r#"{"links": ["lo", "$A_NAME_THAT_IS_LONG"]}"#,
        ] {
            assert_eq!(said(json), "right", "{json}");
        }
    }
}
