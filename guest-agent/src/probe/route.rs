//! `route`: the main routing table has an entry.

use netlab_protocol::Place;
use netlab_protocol::check::RouteProbe;

use super::{Outcome, Words};
use crate::error::Error;
use crate::netlink::{Link, Netlink, Route};

/// Says what is expected.
pub fn words(probe: &RouteProbe) -> Words {
    let through = probe.link.as_ref().map(|link| format!(" through `{link}`")).unwrap_or_default();
    let which = match probe.to.as_str() {
        "any" => format!("route{through}"),
        "default" => format!("default route{through}"),
        network => format!("route to {network}{through}"),
    };
    Words::new(format!("a {which}"), format!("no {which}"), "ip route")
}

/// Tries once.
pub async fn attempt(place: &Place, probe: &RouteProbe) -> Result<Outcome, Error> {
    let netlink = Netlink::open(place).await?;
    Ok(judge(probe, &netlink.routes().await?, &netlink.links().await?))
}

fn judge(probe: &RouteProbe, routes: &[Route], links: &[Link]) -> Outcome {
    let described: Vec<_> = routes.iter().map(|route| describe(route, links)).collect();
    let matches = |(to, link): &&(String, String)| {
        (probe.to == "any" || probe.to == *to) && probe.link.as_ref().is_none_or(|it| it == link)
    };
    let in_words = |(to, link): &(String, String)| format!("{to} through `{link}`");
    match described.iter().find(matches) {
        Some(route) => Outcome::Yes(in_words(route)),
        None if described.is_empty() => Outcome::No("the table is empty".to_owned()),
        None => {
            let routes: Vec<_> = described.iter().map(in_words).collect();
            Outcome::No(format!("the table has {}", routes.join(", ")))
        }
    }
}

/// Returns destination and interface in the words of the lab file.
fn describe(route: &Route, links: &[Link]) -> (String, String) {
    let to = match route.prefix {
        0 => "default".to_owned(),
        prefix => format!("{}/{prefix}", route.network),
    };
    let link = links.iter().find(|link| Some(link.index) == route.link);
    (to, link.map(|link| link.name.clone()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::netlink::Kind;

    #[test]
    fn a_route_is_found_by_network_and_interface() {
        let link = Link {
            index: 4,
            name: "eth0-r".to_owned(),
            is_up: true,
            is_loopback: false,
            mac: None,
            kind: Kind::Veth,
            peer_index: None,
            peer_namespace: None,
            received: 0,
            sent: 0,
        };
        let route = Route { network: Ipv4Addr::new(10, 0, 0, 0), prefix: 24, link: Some(4) };
        let yes = Outcome::Yes("10.0.0.0/24 through `eth0-r`".to_owned());
        let no = Outcome::No("the table has 10.0.0.0/24 through `eth0-r`".to_owned());
        for (to, through, outcome) in [
            ("10.0.0.0/24", None, &yes),
            ("10.0.0.0/24", Some("eth0-r"), &yes),
            ("10.0.0.0/24", Some("eth0"), &no),
            ("10.0.0.0/8", None, &no),
            ("default", None, &no),
            ("any", None, &yes),
        ] {
            let probe = RouteProbe { to: to.to_owned(), link: through.map(str::to_owned) };
            assert_eq!(
                judge(&probe, std::slice::from_ref(&route), std::slice::from_ref(&link)),
                *outcome,
                "{to}"
            );
        }
        let any = RouteProbe { to: "any".to_owned(), link: None };
        assert_eq!(judge(&any, &[], &[]), Outcome::No("the table is empty".to_owned()));
    }
}
