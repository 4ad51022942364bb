//! Each verb against the guest that is up.

use crate::Body;
use crate::support::Netlab;

pub const TRIALS: &[(&str, Body)] = &[
    ("up_attaches_to_the_running_guest", up_attaches),
    ("status_shows_the_guest", status_shows_the_guest),
    ("exec_passes_the_exit_status_on", exec_passes_the_status_on),
    ("exec_is_binary_safe_in_both_directions", exec_is_binary_safe),
    ("exec_keeps_arguments_apart", exec_keeps_arguments_apart),
    ("exec_in_an_unknown_namespace_names_the_known_ones", exec_in_an_unknown_namespace),
    ("keep_leaves_the_lab_standing_and_reset_gives_a_fresh_guest", keep_and_reset),
    ("a_kept_lab_makes_way_for_the_next", a_kept_lab_makes_way),
    ("logs_show_what_console_and_agent_said", logs_show_what_console_and_agent_said),
    ("dry_run_prints_the_command_and_starts_nothing", dry_run_prints_the_command),
    ("dry_run_prints_the_golden_line", |_| dry_run_prints_the_golden_line()),
    ("the_guest_has_the_tools_that_were_promised", the_guest_has_its_tools),
    ("the_clock_and_the_identity_are_the_instances_own", the_identity_is_its_own),
];

fn up_attaches(netlab: &Netlab) {
    let lines = netlab.run(["up", "--json"]).exit(0).json();
    let ready = lines.iter().find(|line| line["event"] == "ready").expect("a ready line");
    assert_eq!(ready["attached"], true, "{ready}");
}

fn status_shows_the_guest(netlab: &Netlab) {
    netlab.run(["status"]).exit(0).says(&["default", "up", "127.0.0.1:"]);
    let lines = netlab.run(["status", "--json"]).exit(0).json();
    assert_eq!(lines[0]["data"][0]["up"], true, "{lines:?}");
}

fn exec_passes_the_status_on(netlab: &Netlab) {
    netlab.run(["exec", "--", "true"]).exit(0);
    let failed = netlab.run(["exec", "--", "sh", "-c", "echo out; echo err >&2; exit 42"]).exit(42);
    assert_eq!((failed.text().as_str(), failed.stderr.as_str()), ("out\n", "err\n"));
    // 128 + SIGKILL
    netlab.run(["exec", "--", "sh", "-c", "kill -9 $$"]).exit(137);
    netlab.run(["exec", "--", "no-such-command"]).exit(127);
}

fn exec_is_binary_safe(netlab: &Netlab) {
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let outcome = netlab.run_with(["exec", "--", "cat"], &bytes).exit(0);
    assert!(outcome.stdout == bytes, "{} bytes came back", outcome.stdout.len());
}

fn exec_keeps_arguments_apart(netlab: &Netlab) {
    let words = ["exec", "--", "printf", "[%s]", "a b", "", "$HOME", "it's", "ü"];
    assert_eq!(netlab.run(words).exit(0).text(), "[a b][][$HOME][it's][ü]");
}

fn exec_in_an_unknown_namespace(netlab: &Netlab) {
    netlab.run(["exec", "--ns", "green", "--", "true"]).exit(2).complains(&["namespace `green`"]);
}

fn keep_and_reset(netlab: &Netlab) {
    netlab.run(["demo", "2", "--keep"]).exit(0);
    netlab
        .run(["exec", "--ns", "red", "--", "ip", "-br", "addr"])
        .exit(0)
        .says(&["eth0-r", "10.0.0.1/24"]);
    netlab.run(["status"]).exit(0).says(&["default"]);
    netlab.run(["reset"]).exit(0).says(&["guest `default` is a fresh one"]);
    assert_eq!(netlab.run(["exec", "--", "ip", "netns"]).exit(0).text(), "");
    assert_eq!(netlab.run(["exec", "--", "ovs-vsctl", "list-br"]).exit(0).text(), "");
}

fn a_kept_lab_makes_way(netlab: &Netlab) {
    netlab.run(["demo", "1", "--keep"]).exit(0);
    netlab.run(["demo", "1"]).exit(0).complains(&["clearing away what lab"]);
}

fn logs_show_what_console_and_agent_said(netlab: &Netlab) {
    netlab.run(["logs", "serial"]).exit(0).says(&["netlab-init: SSH server listens"]);
    netlab.run(["logs", "agent"]).exit(0).says(&["start the guest's services"]);
    netlab.run(["logs"]).exit(0).says(&["== serial", "== qemu", "== agent"]);
    netlab.run(["logs", "nonsense"]).exit(2).complains(&["there is no log `nonsense`", "serial"]);
}

fn dry_run_prints_the_command(netlab: &Netlab) {
    let outcome = netlab.run(["--name", "dry", "up", "--dry-run"]).exit(0);
    outcome.says(&["qemu-system", "restrict=on", "hostfwd=tcp:127.0.0.1:"]);
    let names = netlab.run(["status", "--json"]).exit(0).text();
    assert!(!names.contains("\"dry\""), "{names}");
}

/// The rest of the golden files is checked by the unit tests that made them.
fn dry_run_prints_the_golden_line() {
    let (golden, arch) = if cfg!(target_arch = "aarch64") {
        (include_str!("../golden/linux-arm64.arm64-guest.tcg.qemu-11.jsonc"), "arm64")
    } else {
        (include_str!("../golden/linux-amd64.amd64-guest.tcg.qemu-11.jsonc"), "amd64")
    };
    let bare: String = golden.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let golden: serde_json::Value = serde_json::from_str(&bare).expect("JSON");
    // In a home of its own, so that the instance has the golden name, and with the cache where it is by
    // default. Nothing need be built there.
    let other = Netlab::new();
    let home = other.home().to_string_lossy().into_owned();
    let other = other.with("NETLAB_CACHE", &format!("{home}/cache"));
    let words = ["up", "--dry-run", "--json", "--start", "cold", "--accel", "tcg"];
    let mut lines = other.run(words.into_iter().chain(["--arch", arch])).exit(0).json();
    let mut line = lines.pop().expect("a line");
    let data = line["data"].as_array_mut().expect("words");
    data[0] = golden["data"][0].clone();
    let uuid = data.iter().position(|word| word == "-uuid").expect("a UUID") + 1;
    data[uuid] = golden["data"][uuid].clone();
    let key = format!("/images/{arch}-");
    for word in data {
        let text = word.as_str().expect("a word");
        let text = text.replace(&home, "/home/ann/.local/share/netlab");
        let text = match text.split_once(&key) {
            Some((before, after)) => {
                let file = after.split_once('/').expect("a file").1;
                format!("{before}{key}KEY/{file}")
            }
            None => text,
        };
        *word = text.into();
    }
    assert_eq!(line, golden);
}

fn the_guest_has_its_tools(netlab: &Netlab) {
    let tools = "ovs-vsctl ovs-appctl dnsmasq ip ping dhclient tcpdump nc arp nft conntrack ethtool \
                 curl ps rsync bash less vi scp";
    for tool in tools.split_whitespace() {
        netlab.run(["exec", "--", "sh", "-c", &format!("command -v {tool}")]).exit(0);
    }
    netlab.run(["exec", "--", "sh", "-c", "ls /usr/lib/x86_64-linux-gnu/libstdc++.so.6"]).exit(0);
}

fn the_identity_is_its_own(netlab: &Netlab) {
    let clock = netlab.run(["exec", "--", "date", "+%s"]).exit(0).text();
    let guest: i64 = clock.trim().parse().expect("seconds");
    let host = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let host = i64::try_from(host.expect("a clock").as_secs()).expect("seconds");
    assert!((guest - host).abs() <= 2, "guest {guest}, host {host}");
    let id = netlab.run(["exec", "--", "cat", "/etc/machine-id"]).exit(0).text();
    assert_eq!(id.trim().len(), 32, "{id}");
}
