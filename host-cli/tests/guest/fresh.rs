//! A used guest makes way for a fresh one of the same name, port and keys, and what the user did in
//! it goes only with a yes.

use std::fs;

use crate::Body;
use crate::connection::{BRIEF, interrupt, slow_demo, stock};
use crate::leftovers::pids;
use crate::support::Netlab;
use crate::terminal::Session;

pub const TRIALS: &[(&str, Body)] = &[
    ("reset_gives_another_machine_with_the_same_port_and_keys", reset_gives_another_machine),
    ("a_demo_after_a_demo_has_a_fresh_guest", a_demo_after_a_demo),
    ("a_demo_after_exec_keeps_the_guest_and_says_so", a_demo_after_exec),
    ("a_demo_from_a_saved_step_keeps_the_users_work", a_demo_from_a_saved_step),
    ("a_demo_on_a_terminal_asks_before_it_throws_work_away", a_demo_on_a_terminal_asks),
    ("a_kept_lab_is_the_users_own", a_kept_lab_is_the_users_own),
    ("a_guest_that_ssh_knows_the_way_to_is_kept_after_a_reset_too", a_way_in_outlives_a_reset),
    ("down_on_a_terminal_asks_before_it_ends_a_kept_lab", down_on_a_terminal_asks),
    ("neither_demo_nor_reset_swaps_a_guest_under_a_lab", no_swap_under_a_lab),
];

/// A guest of the trial's own, up and clean.
fn with_guest(body: impl FnOnce(&Netlab)) {
    let netlab = Netlab::new();
    netlab.run(["up"]).exit(0);
    body(&netlab);
    netlab.run(["down", "--all"]).exit(0);
}

/// Process and port of the guest; asking for them is no work of the user's.
fn identity(netlab: &Netlab) -> (i32, String) {
    let pid = pids(netlab).first().copied().expect("a QEMU");
    let rows = netlab.run(["status", "--json"]).exit(0).json();
    (pid, rows[0]["data"][0]["address"].as_str().expect("up").to_owned())
}

fn reset_gives_another_machine(_: &Netlab) {
    with_guest(|netlab| {
        let file = |name: &str| fs::read(netlab.home().join("i/default").join(name)).expect(name);
        let keys = || ["id", "host_key", "known_hosts"].map(file);
        let mut ssh = stock("ssh", netlab);
        ssh.args(["netlab", "cat", "/etc/machine-id"]);
        netlab.run(["exec", "--", "touch", "/root/mine"]).exit(0);
        let before = (ssh.output().expect("ssh runs"), identity(netlab), keys());

        netlab.run(["reset"]).exit(0).says(&["guest `default` is a fresh one ("]);

        let after = (ssh.output().expect("ssh runs"), identity(netlab), keys());
        assert!(after.0.status.success(), "{}", String::from_utf8_lossy(&after.0.stderr));
        assert_ne!(before.0.stdout, after.0.stdout, "the machine-id");
        assert_ne!(before.1.0, after.1.0, "the process");
        assert_eq!(before.1.1, after.1.1, "the port");
        assert_eq!(before.2, after.2, "the keys");
        netlab.run(["exec", "--", "ls", "/root/mine"]).exit(2);
        netlab.run(["exec", "--", "ovs-vsctl", "show"]).exit(0);
        let lines = netlab.run(["reset", "--json"]).exit(0).json();
        assert_eq!(lines.last().expect("a line")["data"]["swapped"], true, "{lines:?}");
    });
}

fn a_demo_after_a_demo(_: &Netlab) {
    with_guest(|netlab| {
        let first = identity(netlab);
        netlab.run(["demo", "1"]).exit(0);
        assert_eq!(identity(netlab), first, "a clean guest is used as it is");
        netlab.run(["demo", "1"]).exit(0).complains(&["swapped it for a clean one"]);
        let second = identity(netlab);
        assert_ne!(first.0, second.0);
        assert_eq!(first.1, second.1);
    });
}

fn a_demo_after_exec(_: &Netlab) {
    with_guest(|netlab| {
        netlab.run(["exec", "--", "touch", "/root/mine"]).exit(0);
        let before = identity(netlab);
        netlab.run(["demo", "1"]).exit(0).complains(&["so it stays; `--reset` gives a clean one"]);
        assert_eq!(identity(netlab), before);
        netlab.run(["exec", "--", "ls", "/root/mine"]).exit(0);
        netlab.run(["demo", "1", "--reset"]).exit(0).complains(&["swapped it for a clean one"]);
        assert_ne!(identity(netlab).0, before.0);
    });
}

fn a_demo_from_a_saved_step(_: &Netlab) {
    with_guest(|netlab| {
        netlab.run_with(["demo", "2", "--step"], b"\n\nq").exit(0);
        netlab.run(["exec", "--", "touch", "/root/mine"]).exit(0);
        let before = identity(netlab);
        let from = netlab.run(["demo", "2", "--from", "3"]);
        from.exit(0).complains(&["so it stays", "replaying the steps before"]);
        assert_eq!(identity(netlab), before);
        netlab.run(["exec", "--", "ls", "/root/mine"]).exit(0);
    });
}

fn a_demo_on_a_terminal_asks(_: &Netlab) {
    with_guest(|netlab| {
        let mut shell = Session::start(netlab, &["shell"]);
        shell.expect("# ");
        shell.type_in("touch /root/mine; exit\r");
        assert_eq!(shell.status(), Some(0));
        let before = identity(netlab);
        for (answer, pid_stays) in [("\r", true), ("y\r", false)] {
            let mut demo = Session::start(netlab, &["demo", "1"]);
            demo.expect("You have worked in guest `default`");
            demo.expect("[y/N]");
            demo.type_in(answer);
            demo.expect("Enter: step 1");
            demo.type_in("q");
            assert_eq!(demo.status(), Some(0));
            assert_eq!(identity(netlab).0 == before.0, pid_stays, "{answer:?}");
        }
    });
}

fn a_kept_lab_is_the_users_own(_: &Netlab) {
    with_guest(|netlab| {
        netlab.run(["demo", "1", "--keep"]).exit(0);
        let before = identity(netlab);
        netlab.run(["demo", "1"]).exit(0).complains(&["so it stays", "clearing away what lab"]);
        assert_eq!(identity(netlab), before);
    });
}

fn a_way_in_outlives_a_reset(_: &Netlab) {
    with_guest(|netlab| {
        netlab.run(["ssh-config"]).exit(0);
        netlab.run(["reset"]).exit(0);
        netlab.run(["demo", "1"]).exit(0).complains(&["so it stays"]);
    });
}

fn down_on_a_terminal_asks(_: &Netlab) {
    with_guest(|netlab| {
        let brief = netlab.lab("brief.md", BRIEF);
        let keep = || netlab.run(["demo".as_ref(), brief.as_os_str(), "--keep".as_ref()]).exit(0);
        keep();
        let before = identity(netlab);
        for (answer, said) in [("\r", "nothing was ended"), ("y\r", "ended guest `default`")] {
            // Neither the question nor a no has touched it.
            netlab.run(["exec", "--ns", "red", "--", "true"]).exit(0);
            assert_eq!(identity(netlab), before);
            let mut down = Session::start(netlab, &["down"]);
            down.expect("You have worked in guest `default`. End it, and lose that?");
            down.expect("[y/N]");
            down.type_in(answer);
            down.expect(said);
            assert_eq!(down.status(), Some(0));
        }
        assert_eq!(pids(netlab), Vec::<i32>::new());

        // Where nobody can answer, what was typed is meant.
        keep();
        netlab.run(["down"]).exit(0).says(&["ended guest `default`"]);
        assert_eq!(pids(netlab), Vec::<i32>::new());
    });
}

fn no_swap_under_a_lab(_: &Netlab) {
    with_guest(|netlab| {
        let mut demo = slow_demo(netlab);
        let before = identity(netlab);
        for words in [["demo", "1", "--reset"].as_slice(), &["reset"]] {
            netlab.run(words).exit(4).complains(&["another netlab is running a lab"]);
        }
        assert_eq!(identity(netlab), before);
        interrupt(&demo);
        assert_eq!(demo.wait().expect("it ends").code(), Some(130));
    });
}
