//! `neighbour`: the ARP table has an entry whose hardware address is known.

use netlab_protocol::Place;
use netlab_protocol::check::NeighbourProbe;

use super::{Outcome, Words};
use crate::error::Error;
use crate::netlink::{Neighbour, Netlink, mac_text, parse_mac};

/// Says what is expected.
pub fn words(probe: &NeighbourProbe) -> Words {
    let who = match probe.address.as_str() {
        "any" => "neighbour".to_owned(),
        address => format!("neighbour {address}"),
    };
    let at = probe.mac.as_ref().map(|mac| format!(" at {mac}")).unwrap_or_default();
    Words::new(format!("a {who}{at}"), format!("no {who}{at}"), "ip neigh")
}

/// Tries once.
pub async fn attempt(place: &Place, probe: &NeighbourProbe) -> Result<Outcome, Error> {
    let netlink = Netlink::open(place).await?;
    Ok(judge(probe, &netlink.neighbours().await?))
}

fn judge(probe: &NeighbourProbe, neighbours: &[Neighbour]) -> Outcome {
    let mac = match probe.mac.as_deref().map(|text| parse_mac(text).ok_or(text)).transpose() {
        Ok(mac) => mac,
        Err(text) => return Outcome::Unknown(format!("`{text}` is no MAC address")),
    };
    let is_meant =
        |it: &&Neighbour| probe.address == "any" || it.address.to_string() == probe.address;
    let in_words = |it: &Neighbour| format!("{} is at {}", it.address, mac_text(it.mac));
    let meant: Vec<_> = neighbours.iter().filter(is_meant).collect();
    match meant.iter().find(|it| mac.is_none_or(|mac| mac == it.mac)) {
        Some(neighbour) => Outcome::Yes(in_words(neighbour)),
        None if meant.is_empty() => Outcome::No("the table has no such entry".to_owned()),
        None => {
            let others: Vec<_> = meant.into_iter().map(in_words).collect();
            Outcome::No(others.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_address_and_hardware_address() {
        let neighbours =
            [Neighbour { address: [10, 20, 30, 2].into(), mac: [0x5a, 0, 0, 0, 0, 1] }];
        let yes = Outcome::Yes("10.20.30.2 is at 5a:00:00:00:00:01".to_owned());
        for (address, mac, outcome) in [
            ("10.20.30.2", None, yes.clone()),
            ("10.20.30.2", Some("5A:00:00:00:00:01"), yes.clone()),
            ("any", None, yes),
            (
                "10.20.30.2",
                Some("5a:00:00:00:00:02"),
                Outcome::No("10.20.30.2 is at 5a:00:00:00:00:01".to_owned()),
            ),
            ("10.20.30.3", None, Outcome::No("the table has no such entry".to_owned())),
            ("any", Some("x"), Outcome::Unknown("`x` is no MAC address".to_owned())),
        ] {
            let probe = NeighbourProbe { address: address.to_owned(), mac: mac.map(str::to_owned) };
            assert_eq!(judge(&probe, &neighbours), outcome);
        }
    }
}
