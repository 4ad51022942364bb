//! A guest saved whole and brought back, in a home of each trial's own.

use std::fs;
use std::path::PathBuf;

use crate::Body;
use crate::support::Netlab;
use crate::templates::disk::Disk;

pub const TRIALS: &[(&str, Body)] = &[
    ("what_was_broken_since_a_checkpoint_is_there_again", what_was_broken_is_there_again),
    ("a_checkpoint_outlives_its_guest_until_down_purge", outlives_its_guest),
    ("a_bad_checkpoint_is_refused_by_name_and_the_guest_stays_up", bad_ones_are_refused),
    ("a_disk_too_small_for_a_checkpoint_is_survived", disk_too_small),
];

/// A guest in a home of its own, with what `back` has to bring back.
fn guest() -> Netlab {
    let netlab = Netlab::new();
    netlab.run(["up"]).exit(0);
    netlab
}

impl Netlab {
    /// Runs a line of shell in the guest and returns what it says.
    #[track_caller]
    pub fn inside(&self, line: &str) -> String {
        self.run(["exec", "--", "sh", "-c", line]).exit(0).text()
    }

    /// The only file of a checkpoint with such an ending.
    fn checkpoint(&self, ending: &str) -> PathBuf {
        let folder = self.home().join("checkpoints/default");
        let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
        let mut files = files.map(|entry| entry.path());
        let wanted = files.find(|path| path.extension().is_some_and(|its| its == ending));
        wanted.expect("such a file")
    }

    /// Files of the instance that must not change.
    fn identity(&self) -> [Vec<u8>; 3] {
        ["id", "host_key", "known_hosts"]
            .map(|name| fs::read(self.home().join("i/default").join(name)).expect("a key"))
    }

    /// Address of the guest's SSH server, as `status` shows it.
    pub fn address(&self) -> serde_json::Value {
        self.run(["status", "--json"]).exit(0).json()[0]["data"][0]["address"].clone()
    }
}

fn what_was_broken_is_there_again(_: &Netlab) {
    let netlab = guest();
    netlab.run(["demo", "3", "--keep"]).exit(0);
    netlab.inside("dnsmasq --no-daemon --port=5353 >/dev/null 2>&1 & echo $! > /run/probe");
    let wired = "ip netns | sort; ovs-vsctl list-ports ovs1 | sort; pgrep -x dnsmasq | sort";
    let (before, address, identity) = (netlab.inside(wired), netlab.address(), netlab.identity());
    let saved = netlab.run(["checkpoint", "whole", "--json"]).exit(0).json();
    let paused = saved[0]["data"]["paused_millis"].as_u64().expect("a time");
    assert!(paused <= 500, "{saved:?}");
    assert_eq!(netlab.inside(wired), before, "the guest runs on");

    let mut draws = Vec::new();
    for _ in 0..2 {
        netlab.inside("pkill dnsmasq; ip netns del red; ovs-vsctl del-br ovs1");
        assert_ne!(netlab.inside(wired), before);
        netlab.run(["back"]).exit(0).says(&["is back at checkpoint `whole`"]);
        draws.push(netlab.inside("head -c 16 /dev/urandom | od -An -tx1"));
        assert_eq!(netlab.inside(wired), before);
        // Red still reaches its server, over the flows and leases of the guest that was saved.
        netlab.run(["exec", "--ns", "red", "--", "ping", "-c1", "10.20.30.2"]).exit(0);
        assert_eq!((netlab.address(), netlab.identity()), (address.clone(), identity.clone()));
        let guest: i64 = netlab.inside("date +%s").trim().parse().expect("seconds");
        let host = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let host = i64::try_from(host.expect("a clock").as_secs()).expect("seconds");
        assert!((guest - host).abs() <= 2, "guest {guest}, host {host}");
    }
    assert_ne!(draws[0], draws[1], "two returns drew the same random numbers");
    netlab.run(["down", "--all", "--purge"]).exit(0).says(&["checkpoint `whole`"]);
}

fn outlives_its_guest(_: &Netlab) {
    let netlab = guest();
    netlab.inside("echo kept > /run/kept");
    netlab.run(["checkpoint"]).exit(0).says(&["netlab back 1"]);
    netlab.run(["checkpoint", "1"]).exit(2).complains(&["there is a checkpoint `1` already"]);
    netlab.run(["checkpoint", "a.b"]).exit(2).complains(&["`a.b` is a label that netlab gives"]);
    netlab.run(["checkpoint", "--list"]).exit(0).says(&["LABEL", "1", "yours"]);
    let identity = netlab.identity();
    netlab.run(["down"]).exit(0).complains(&["a checkpoint of guest `default` stays", "--purge"]);
    netlab.run(["back", "2"]).exit(2).complains(&["no checkpoint `2`", "--list"]);
    netlab.run(["back", "1"]).exit(0);
    assert_eq!(netlab.inside("cat /run/kept"), "kept\n");
    assert_eq!(netlab.identity(), identity);
    netlab.run(["checkpoint", "--remove", "1"]).exit(0);
    netlab.run(["back"]).exit(2).complains(&["guest `default` has no checkpoint"]);
    netlab.run(["down", "--all", "--purge"]).exit(0);
    assert!(!netlab.home().join("checkpoints/default").exists());
}

fn bad_ones_are_refused(_: &Netlab) {
    let netlab = guest();
    netlab.inside("echo here > /run/here");
    netlab.run(["checkpoint", "one"]).exit(0);
    let (state, about) = (netlab.checkpoint("zst"), netlab.checkpoint("json"));
    let (whole, text) = (fs::read(&state).expect("a state"), fs::read_to_string(&about));
    let text = text.expect("a description");
    let write = |path: &PathBuf, bytes: &[u8]| {
        let mut file = fs::File::create(path).expect("a file");
        std::io::Write::write_all(&mut file, bytes).expect("a file");
    };
    let refused = |what: &str| {
        netlab.run(["back", "one"]).exit(3).complains(&["checkpoint `one`", what, "try:"]);
        assert_eq!(netlab.inside("cat /run/here"), "here\n");
    };

    write(&state, &whole[..whole.len() / 2]);
    refused("is cut short");
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    write(&state, &altered);
    refused("has been altered");
    write(&state, &whole);

    let edited = |field: &str, value: serde_json::Value| {
        let mut about: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        about["maker"][field] = value;
        about.to_string().into_bytes()
    };
    write(&about, &edited("qemu_version", serde_json::json!([6, 0, 0])));
    refused("is of another QEMU (6.0.0 at");
    write(&about, &edited("image", "another".into()));
    refused("is of another image (another, now it is");
    write(&about, &edited("agent", "another".into()));
    refused("is of another netlab");
    write(&about, br#"{"version":3}"#);
    refused("has version 3, this netlab reads up to 2");
    write(&about, b"{");
    refused("can't be read");
    netlab.run(["checkpoint", "--list"]).exit(0).says(&["one", "can't be read"]);

    write(&about, text.as_bytes());
    netlab.run(["back", "one"]).exit(0);
    netlab.run(["down", "--all", "--purge"]).exit(0);
}

fn disk_too_small(_: &Netlab) {
    let netlab = guest();
    let folder = netlab.home().join("checkpoints");
    fs::create_dir_all(&folder).expect("a folder");
    let Some(_disk) = Disk::mount(folder.clone(), 160) else { return };
    let is_empty = || {
        let guests = folder.join("default");
        !guests.exists() || fs::read_dir(&guests).expect("a folder").next().is_none()
    };
    netlab.run(["checkpoint", "fits"]).exit(0);
    netlab.run(["checkpoint", "--remove", "fits"]).exit(0);

    // Noise can't be packed: with room to begin with, the disk fills while it is written.
    netlab.inside("head -c 180000000 /dev/urandom > /dev/shm/noise");
    let full = ["can't write", "free some space on the disk of", "try:"];
    netlab.run(["checkpoint", "noise"]).exit(3).complains(&full);
    assert!(is_empty());
    assert_eq!(netlab.inside("stat -c %s /dev/shm/noise"), "180000000\n", "the guest runs on");

    let path = folder.join("filler");
    let filler = fs::File::create(&path).expect("a file");
    nix::fcntl::posix_fallocate(&filler, 0, 100 << 20).expect("room");
    netlab.run(["checkpoint", "none"]).exit(3).complains(&["128 MiB must be free", "try:"]);
    assert!(is_empty());
    fs::remove_file(path).expect("the file");
    netlab.run(["down", "--all", "--purge"]).exit(0);
}
