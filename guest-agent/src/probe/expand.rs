//! Puts the lab's values into a probe, so that the kinds see plain text.

use netlab_protocol::check::{
    AddressProbe, CommandProbe, FramesProbe, LeaseProbe, LinkProbe, NeighbourProbe, RisesProbe,
    RouteProbe,
};
use netlab_protocol::{Probe, Target};

use crate::values::{UnknownValue, Values};

/// Returns the probe with each `$NAME` replaced, but for shell commands: those get the values as
/// their environment.
///
/// # Errors
/// [`UnknownValue`] for the first name that is not known.
pub fn expand(probe: &Probe, values: &Values) -> Result<Probe, UnknownValue> {
    let text = |text: &String| values.expand(text);
    let maybe = |text: &Option<String>| text.as_ref().map(|text| values.expand(text)).transpose();
    let all = |texts: &[String]| texts.iter().map(text).collect::<Result<Vec<_>, _>>();
    Ok(match probe {
        Probe::Reach(target) => Probe::Reach(match target {
            Target::Ping { address } => Target::Ping { address: text(address)? },
            Target::Tcp { address, port } => Target::Tcp { address: text(address)?, port: *port },
            Target::Arp { address } => Target::Arp { address: text(address)? },
        }),
        Probe::Address(AddressProbe { link, is, between }) => {
            let ends = between.as_ref().map(|(first, last)| Ok((text(first)?, text(last)?)));
            let between = ends.transpose()?;
            Probe::Address(AddressProbe { link: text(link)?, is: maybe(is)?, between })
        }
        Probe::Route(RouteProbe { to, link }) => {
            Probe::Route(RouteProbe { to: text(to)?, link: maybe(link)? })
        }
        Probe::Neighbour(NeighbourProbe { address, mac }) => {
            Probe::Neighbour(NeighbourProbe { address: text(address)?, mac: maybe(mac)? })
        }
        Probe::Link(LinkProbe { name, state }) => {
            Probe::Link(LinkProbe { name: text(name)?, state: *state })
        }
        Probe::Links(names) => Probe::Links(all(names)?),
        Probe::Listens(socket) => Probe::Listens(text(socket)?),
        Probe::Process(name) => Probe::Process(text(name)?),
        Probe::Same(probe) => Probe::Same(probe.clone()),
        Probe::Differs(probe) => Probe::Differs(probe.clone()),
        Probe::Lease(LeaseProbe { file, mac, address }) => Probe::Lease(LeaseProbe {
            file: text(file)?,
            mac: text(mac)?,
            address: maybe(address)?,
        }),
        Probe::Frames(FramesProbe { file, from, vlan }) => {
            Probe::Frames(FramesProbe { file: text(file)?, from: text(from)?, vlan: *vlan })
        }
        Probe::Rises(RisesProbe { links, during }) => {
            Probe::Rises(RisesProbe { links: all(links)?, during: during.clone() })
        }
        Probe::Command(CommandProbe { run, stdout, exit }) => {
            let pattern = stdout.as_ref().map(|pattern| values.expand_pattern(pattern));
            Probe::Command(CommandProbe {
                run: run.clone(),
                stdout: pattern.transpose()?,
                exit: *exit,
            })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_reach_targets_and_files_but_not_the_shell() {
        let mut values = Values::default();
        values.keep("RED", "10.0.0.1");
        let target = Probe::Reach("tcp:$RED:80".parse().unwrap());
        let expanded = Probe::Reach("tcp:10.0.0.1:80".parse().unwrap());
        assert_eq!(expand(&target, &values).unwrap(), expanded);
        let command = |run: &str, stdout: &str| {
            Probe::Command(CommandProbe { run: run.into(), stdout: Some(stdout.into()), exit: 0 })
        };
        assert_eq!(
            expand(&command("echo $RED", "^$RED$"), &values).unwrap(),
            command("echo $RED", r"^10\.0\.0\.1$")
        );
        let unknown = expand(&Probe::Reach("$BLUE".parse().unwrap()), &values).unwrap_err();
        assert_eq!(unknown.to_string(), "`$BLUE` is not known: no earlier step keeps it");
    }
}
