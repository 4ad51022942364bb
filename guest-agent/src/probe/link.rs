//! `link` and `links`: an interface is in the namespace, or exactly these are.

use std::collections::BTreeSet;

use netlab_protocol::Place;
use netlab_protocol::check::{LinkProbe, LinkState};

use super::{Outcome, Words};
use crate::error::Error;
use crate::netlink::{Link, Netlink};

/// Says what is expected of one interface.
pub fn words_of_one(probe: &LinkProbe) -> Words {
    let name = &probe.name;
    let state = match probe.state {
        Some(LinkState::Up) => " that is up",
        Some(LinkState::Down) => " that is down",
        None => "",
    };
    Words::new(
        format!("an interface `{name}`{state}"),
        format!("no interface `{name}`{state}"),
        "ip -br link",
    )
}

/// Says what is expected of all interfaces.
pub fn words_of_all(names: &[String]) -> Words {
    let names = quoted(names);
    Words::new(format!("exactly {names}"), format!("other than {names}"), "ip -br link")
}

/// Tries once for one interface.
pub async fn attempt_one(place: &Place, probe: &LinkProbe) -> Result<Outcome, Error> {
    Ok(judge_one(probe, &Netlink::open(place).await?.links().await?))
}

/// Tries once for all interfaces.
pub async fn attempt_all(place: &Place, names: &[String]) -> Result<Outcome, Error> {
    let links = Netlink::open(place).await?.links().await?;
    let found: Vec<String> = links.into_iter().map(|link| link.name).collect();
    Ok(judge_all(names, &found))
}

fn judge_one(probe: &LinkProbe, links: &[Link]) -> Outcome {
    let Some(link) = links.iter().find(|link| link.name == probe.name) else {
        return Outcome::No(format!("there is no interface `{}`", probe.name));
    };
    let matches = match probe.state {
        Some(LinkState::Up) => link.is_up,
        Some(LinkState::Down) => !link.is_up,
        None => true,
    };
    Outcome::of(matches, format!("`{}` is {}", link.name, if link.is_up { "up" } else { "down" }))
}

fn judge_all(wanted: &[String], found: &[String]) -> Outcome {
    let same = wanted.iter().collect::<BTreeSet<_>>() == found.iter().collect();
    Outcome::of(same, quoted(found))
}

fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "no interface".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_interfaces_are_compared_as_a_set() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        for (wanted, found, outcome) in [
            (vec!["lo", "a"], vec!["a", "lo"], Outcome::Yes("`a`, `lo`".to_owned())),
            (vec!["lo"], vec!["lo", "a"], Outcome::No("`lo`, `a`".to_owned())),
            (vec!["lo"], vec![], Outcome::No("no interface".to_owned())),
        ] {
            assert_eq!(judge_all(&names(&wanted), &names(&found)), outcome);
        }
    }
}
