//! `same` and `differs`: the links under `/proc/PID/ns`, as a process in each place sees them.

use std::time::Duration;

use netlab_protocol::Place;
use netlab_protocol::check::NamespaceLinkProbe;

use super::{Outcome, Words};
use crate::error::Error;
use crate::exec;

/// Time limit for `readlink`, which waits for nothing.
const LIMIT: Duration = Duration::from_secs(10);

/// Says what is expected.
pub fn words(probe: &NamespaceLinkProbe, same: bool) -> Words {
    let places: Vec<_> = probe.places.iter().map(Place::name).collect();
    let (places, kind) = (places.join(", "), &probe.kind);
    let one = format!("one `{kind}` namespace for {places}");
    let many = format!("a `{kind}` namespace of its own for each of {places}");
    let look = format!("readlink /proc/self/ns/{kind}");
    if same { Words::new(one, many, look) } else { Words::new(many, one, look) }
}

/// Tries once.
pub async fn attempt(probe: &NamespaceLinkProbe, same: bool) -> Result<Outcome, Error> {
    let link = format!("/proc/self/ns/{}", probe.kind);
    let mut links = Vec::new();
    for place in &probe.places {
        let target = match place {
            Place::Root => exec::help("readlink", &[&link], LIMIT).await?,
            Place::Namespace(name) => {
                exec::help("ip", &["netns", "exec", name, "readlink", &link], LIMIT).await?
            }
        };
        links.push((place.name().to_owned(), target.trim().to_owned()));
    }
    Ok(judge(&links, same))
}

fn judge(links: &[(String, String)], same: bool) -> Outcome {
    let holds = |(at, (_, link)): (usize, &(String, String))| {
        links[at + 1..].iter().all(|(_, other)| (other == link) == same)
    };
    let list: Vec<_> = links.iter().map(|(place, link)| format!("{place} {link}")).collect();
    Outcome::of(links.iter().enumerate().all(holds), list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_means_each_from_each() {
        let links = |links: &[&str]| {
            let named =
                links.iter().enumerate().map(|(at, link)| (at.to_string(), (*link).to_owned()));
            named.collect::<Vec<_>>()
        };
        for (list, same, holds) in [
            (vec!["a", "a", "a"], true, true),
            (vec!["a", "b", "a"], true, false),
            (vec!["a", "b", "c"], false, true),
            (vec!["a", "b", "a"], false, false),
        ] {
            let outcome = judge(&links(&list), same);
            assert_eq!(matches!(outcome, Outcome::Yes(_)), holds, "{list:?} {same}");
        }
    }
}
