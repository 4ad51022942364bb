//! What most labs begin with, done once in a guest that others go on from: they find it in memory,
//! where a booted guest reads it from its compressed root.

use std::time::Duration;

use crate::{exec, journal, needs};

/// What labs' cables are made of.
const MODULE: &str = "veth";

/// Programs that labs begin with, each with a word that makes it end at once.
const PROGRAMS: [[&str; 2]; 13] = [
    ["ip", "-V"],
    ["ls", "--version"],
    ["ping", "-V"],
    ["ss", "-V"],
    ["arp", "-V"],
    ["conntrack", "-V"],
    ["nc", "-h"],
    ["nft", "--version"],
    ["ovs-vsctl", "--version"],
    ["ovs-appctl", "--version"],
    ["dnsmasq", "--version"],
    ["dhclient", "--version"],
    ["tcpdump", "--version"],
];

/// Time for one of them, which takes a tenth of a second in an emulated guest.
const LIMIT: Duration = Duration::from_secs(10);

/// Loads the module and runs the programs. One that the guest lacks, or that does not work, is for
/// the lab to find that needs it.
pub async fn run() {
    if let Err(failure) = needs::load(MODULE).await {
        journal::note(&failure.to_string());
    }
    for [program, word] in PROGRAMS {
        if let Err(error) = exec::help(program, &[word], LIMIT).await {
            journal::note(&error.to_string());
        }
    }
}
