//! `lease`: dnsmasq's lease file has an entry for a client.

use netlab_protocol::check::LeaseProbe;

use super::{Outcome, Words, file};
use crate::error::Error;

/// Largest lease file that is read, in bytes: some ten thousand leases.
const LARGEST_BYTES: u64 = 1 << 20;

/// Says what is expected.
pub fn words(probe: &LeaseProbe) -> Words {
    let of = probe.address.as_ref().map(|address| format!(" of {address}")).unwrap_or_default();
    let lease = format!("lease{of} for {} in `{}`", probe.mac, probe.file);
    Words::new(format!("a {lease}"), format!("no {lease}"), format!("cat {}", probe.file))
}

/// Tries once.
pub async fn attempt(probe: &LeaseProbe) -> Result<Outcome, Error> {
    Ok(match file::read(&probe.file, LARGEST_BYTES).await? {
        Some(text) => judge(probe, &String::from_utf8_lossy(&text)),
        None => Outcome::No(format!("there is no file `{}`", probe.file)),
    })
}

/// Reads the file's lines: expiry, MAC address, IPv4 address, host name, client id.
pub(super) fn judge(probe: &LeaseProbe, file: &str) -> Outcome {
    let leases: Vec<(&str, &str)> = file
        .lines()
        .filter_map(|line| {
            let mut columns = line.split_whitespace().skip(1);
            columns.next().zip(columns.next())
        })
        // The line `duid …` that announces IPv6 leases has two columns only.
        .filter(|(mac, _)| mac.contains(':'))
        .collect();
    let in_words = |(mac, address): &(&str, &str)| format!("{mac} has {address}");
    let matches = |(mac, address): &&(&str, &str)| {
        mac.eq_ignore_ascii_case(&probe.mac)
            && probe.address.as_ref().is_none_or(|wanted| wanted == address)
    };
    match leases.iter().find(matches) {
        Some(lease) => Outcome::Yes(in_words(lease)),
        None if leases.is_empty() => Outcome::No("the file has no lease".to_owned()),
        None => Outcome::No(leases.iter().map(in_words).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "1764019907 5a:00:00:00:00:01 10.20.30.55 * ff:00:00:00:01\n\
                        duid 00:01:00:01:30:b6:9c:4e:52:54:00:12:34:56\n";

    #[test]
    fn a_lease_is_found_by_client_and_address() {
        let found = "5a:00:00:00:00:01 has 10.20.30.55".to_owned();
        for (mac, address, outcome) in [
            ("5A:00:00:00:00:01", None, Outcome::Yes(found.clone())),
            ("5a:00:00:00:00:01", Some("10.20.30.55"), Outcome::Yes(found.clone())),
            ("5a:00:00:00:00:01", Some("10.20.30.56"), Outcome::No(found.clone())),
            ("5a:00:00:00:00:02", None, Outcome::No(found)),
        ] {
            let probe = LeaseProbe {
                file: "/run/x".to_owned(),
                mac: mac.to_owned(),
                address: address.map(str::to_owned),
            };
            assert_eq!(judge(&probe, FILE), outcome);
            assert_eq!(judge(&probe, ""), Outcome::No("the file has no lease".to_owned()));
        }
    }
}
