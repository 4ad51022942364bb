//! `rises`: packet counters of interfaces go up while a command makes traffic.

use std::time::Duration;

use netlab_protocol::check::RisesProbe;
use netlab_protocol::{Exit, Place};

use super::{COMMAND_LIMIT, Outcome, Words};
use crate::error::Error;
use crate::exec;
use crate::lab::Lab;
use crate::netlink::{Link, Netlink};

/// Says what is expected.
pub fn words(probe: &RisesProbe) -> Words {
    let links = probe.links.iter().map(|link| format!("`{link}`")).collect::<Vec<_>>().join(", ");
    Words::new(
        format!("packets both ways through {links}"),
        format!("not packets both ways through all of {links}"),
        "ip -s link",
    )
}

/// Tries once.
pub async fn attempt(
    lab: &Lab,
    place: &Place,
    probe: &RisesProbe,
    limit: Duration,
) -> Result<Outcome, Error> {
    let netlink = Netlink::open(place).await?;
    let before = netlink.links().await?;
    let (cgroup, limit) = (lab.next_cgroup("check")?, limit.max(COMMAND_LIMIT));
    let ran = exec::capture(&Place::Root, &probe.during, &lab.values, cgroup, limit).await?;
    let after = netlink.links().await?;
    if ran.0 == Exit::TimedOut {
        return Ok(Outcome::Unknown(format!("`{}` was killed at its time limit", probe.during)));
    }
    Ok(judge(&probe.links, &before, &after))
}

fn judge(names: &[String], before: &[Link], after: &[Link]) -> Outcome {
    let mut words = Vec::new();
    let mut all_rose = true;
    for name in names {
        let find = |links: &[Link]| {
            links.iter().find(|link| link.name == *name).map(|link| (link.received, link.sent))
        };
        let Some(((old_received, old_sent), (received, sent))) = find(before).zip(find(after))
        else {
            return Outcome::No(format!("there is no interface `{name}`"));
        };
        // An interface that was made anew in between counts from 0.
        let received = received.saturating_sub(old_received);
        let sent = sent.saturating_sub(old_sent);
        all_rose &= received > 0 && sent > 0;
        words.push(format!("`{name}` +{received} in, +{sent} out"));
    }
    Outcome::of(all_rose, words.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Kind;

    fn link(name: &str, received: u64, sent: u64) -> Link {
        Link {
            index: 1,
            name: name.to_owned(),
            is_up: true,
            is_loopback: false,
            mac: None,
            kind: Kind::Veth,
            peer_index: None,
            peer_namespace: None,
            received,
            sent,
        }
    }

    #[test]
    fn both_directions_of_every_interface_must_rise() {
        let before = [link("a", 5, 5), link("b", 1, 1)];
        let names = ["a".to_owned(), "b".to_owned()];
        for (after, outcome) in [
            (
                [link("a", 7, 7), link("b", 3, 2)],
                Outcome::Yes("`a` +2 in, +2 out; `b` +2 in, +1 out".to_owned()),
            ),
            (
                [link("a", 7, 5), link("b", 3, 2)],
                Outcome::No("`a` +2 in, +0 out; `b` +2 in, +1 out".to_owned()),
            ),
            (
                [link("a", 7, 7), link("c", 3, 2)],
                Outcome::No("there is no interface `b`".to_owned()),
            ),
        ] {
            assert_eq!(judge(&names, &before, &after), outcome);
        }
    }
}
