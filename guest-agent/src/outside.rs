//! The way out of a machine that has one. A lab's addresses may be somebody's out there: while the lab
//! is open, what root sends to its networks does not take the default route.
//!
//! A guest of netlab's own has no way out, and nothing is done there.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::error::Error;
use crate::exec;

/// The kernel's IPv4 routes of the main table (proc_pid_net(5)).
const ROUTES: &str = "/proc/net/route";

/// How long `ip` may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What marks a route of ours. A `throw` route says that there is none here, so that the sender is told
/// what it is told without any way out. The kernel makes none itself, and whoever manages the network
/// leaves alone what seems to be the kernel's.
const OURS: [&str; 2] = ["proto", "kernel"];

/// Returns those of a lab's networks that would be sent out by the default route. One that the machine
/// has itself is not: it stays as it is.
///
/// # Errors
/// [`Error::Helper`].
pub async fn leaking(networks: &[String]) -> Result<Vec<String>, Error> {
    let mut leaking = Vec::new();
    // Two programs for each network would delay every lab in a guest that has no way out.
    let routes = fs::read_to_string(ROUTES).map_err(Error::file("read", Path::new(ROUTES)))?;
    if !routes.lines().any(is_default) {
        return Ok(leaking);
    }
    for network in networks {
        let around = ip(&["show", "match", network]).await?;
        let within = ip(&["show", "root", network]).await?;
        if leaks(&around, &within) {
            leaking.push(network.clone());
        }
    }
    Ok(leaking)
}

/// Whether a line of [`ROUTES`] is the default route's: its destination and its mask are zeros.
pub(crate) fn is_default(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    (words.get(1), words.get(7)) == (Some(&"00000000"), Some(&"00000000"))
}

/// Whether only the default route leads to a network; the routes are those that contain it, and those
/// that it contains.
pub(crate) fn leaks(around: &str, within: &str) -> bool {
    !around.is_empty()
        && around.lines().all(|route| route.starts_with("default "))
        && within.is_empty()
}

/// Closes the way out for a network.
///
/// # Errors
/// [`Error::Helper`].
pub async fn close(network: &str) -> Result<(), Error> {
    let [proto, kernel] = OURS;
    ip(&["add", "throw", network, proto, kernel]).await.map(drop)
}

/// Opens it again; says whether it was closed.
///
/// # Errors
/// [`Error::Helper`].
pub async fn open(network: &str) -> Result<bool, Error> {
    let [proto, kernel] = OURS;
    if ip(&["show", "exact", network, "type", "throw", proto, kernel]).await?.is_empty() {
        return Ok(false);
    }
    ip(&["del", "throw", network, proto, kernel]).await.map(|_| true)
}

async fn ip(words: &[&str]) -> Result<String, Error> {
    let words: Vec<&str> = ["-4", "route"].iter().chain(words).copied().collect();
    exec::help("ip", &words, LIMIT).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_is_told_from_others() {
        let table = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 0002000A 00000000 0001 0 0 0 00FFFFFF 0 0 0
eth0 00000000 0202000A 0003 0 0 0 00000000 0 0 0
tun0 00000000 00000000 0001 0 0 0 00000080 0 0 0
";
        let found: Vec<_> = table.lines().map(is_default).collect();
        assert_eq!(found, [false, false, true, false]);
    }

    #[test]
    fn a_network_leaks_only_by_the_default_route() {
        let default = "default via 192.0.2.1 dev eth0\n";
        for (around, within, expected) in [
            (default, "", true),
            ("", "", false),
            ("default via 10.0.0.1 dev eth0\n10.0.0.0/16 dev eth0\n", "", false),
            (default, "10.0.0.0/24 dev eth0\n", false),
        ] {
            assert_eq!(leaks(around, within), expected, "{around:?} {within:?}");
        }
    }
}
