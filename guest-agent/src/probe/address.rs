//! `address`: an interface has an IPv4 address, a given one, one of a range, or any.

use std::net::Ipv4Addr;

use netlab_protocol::Place;
use netlab_protocol::check::AddressProbe;

use super::{Outcome, Words};
use crate::error::Error;
use crate::netlink::Netlink;

/// Says what is expected.
pub fn words(probe: &AddressProbe) -> Words {
    let link = &probe.link;
    let which = match (&probe.is, &probe.between) {
        (Some(address), _) => address.clone(),
        (None, Some((first, last))) => format!("an address from {first} to {last}"),
        (None, None) => "an IPv4 address".to_owned(),
    };
    Words::new(
        format!("`{link}` has {which}"),
        format!("`{link}` does not have {which}"),
        format!("ip -br addr show dev {link}"),
    )
}

/// Tries once.
pub async fn attempt(place: &Place, probe: &AddressProbe) -> Result<Outcome, Error> {
    let netlink = Netlink::open(place).await?;
    let links = netlink.links().await?;
    let Some(link) = links.iter().find(|link| link.name == probe.link) else {
        return Ok(Outcome::No(format!("there is no interface `{}`", probe.link)));
    };
    let mut addresses = netlink.addresses().await?;
    addresses.retain(|address| address.link == link.index);
    let addresses: Vec<_> = addresses.iter().map(|it| (it.address, it.prefix)).collect();
    Ok(judge(probe, &addresses))
}

fn judge(probe: &AddressProbe, addresses: &[(Ipv4Addr, u8)]) -> Outcome {
    let texts: Vec<_> =
        addresses.iter().map(|(address, prefix)| format!("{address}/{prefix}")).collect();
    let matches = match (&probe.is, &probe.between) {
        (Some(wanted), _) => texts.contains(wanted),
        (None, Some((first, last))) => {
            let (Ok(first), Ok(last)) = (first.parse::<Ipv4Addr>(), last.parse()) else {
                let words = format!("`{first}` to `{last}` is no range of IPv4 addresses");
                return Outcome::Unknown(words);
            };
            addresses.iter().any(|(address, _)| (first..=last).contains(address))
        }
        (None, None) => !addresses.is_empty(),
    };
    let has = if texts.is_empty() { "no IPv4 address".to_owned() } else { texts.join(", ") };
    Outcome::of(matches, format!("`{}` has {has}", probe.link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_compared_with_its_prefix_and_a_range_without() {
        let probe = |is: Option<&str>, between: Option<(&str, &str)>| AddressProbe {
            link: "eth0-r".to_owned(),
            is: is.map(str::to_owned),
            between: between.map(|(first, last)| (first.to_owned(), last.to_owned())),
        };
        let has = [(Ipv4Addr::new(10, 20, 30, 55), 24)];
        let yes = Outcome::Yes("`eth0-r` has 10.20.30.55/24".to_owned());
        let no = Outcome::No("`eth0-r` has 10.20.30.55/24".to_owned());
        for (probe, outcome) in [
            (probe(Some("10.20.30.55/24"), None), &yes),
            (probe(Some("10.20.30.55/16"), None), &no),
            (probe(None, Some(("10.20.30.10", "10.20.30.100"))), &yes),
            (probe(None, Some(("10.20.30.56", "10.20.30.100"))), &no),
            (probe(None, None), &yes),
        ] {
            assert_eq!(judge(&probe, &has), *outcome);
        }
        let none = Outcome::No("`eth0-r` has no IPv4 address".to_owned());
        assert_eq!(judge(&probe(None, None), &[]), none);
    }
}
