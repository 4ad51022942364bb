//! Faults in the guest, each made by a step of a lab: netlab names the step and what became of the
//! guest, stays answerable, and `reset` gives a sound guest by a clone.

mod answers;
mod others;
mod table;

use std::ffi::OsStr;

use crate::Body;
use crate::support::{Netlab, Outcome};

pub use table::print;

pub const TRIALS: &[(&str, Body)] = &[
    ("a_kernel_that_panics_is_told_with_step_and_reason", kernel_panics),
    ("a_guest_that_is_powered_off_is_told_so", powered_off),
    ("a_lab_out_of_memory_loses_its_hog_and_not_the_agent", out_of_memory),
    ("files_that_fill_the_memory_cost_the_lab_and_not_the_guest", files_fill_the_memory),
    ("a_full_root_is_named", root_is_full),
    ("a_fork_bomb_stays_in_the_lab", fork_bomb),
    ("a_step_that_ignores_sigterm_is_killed_and_named", ignores_sigterm),
    ("a_flood_of_output_ends_at_the_steps_limit", floods),
    ("a_dead_switch_is_named", switch_dies),
    ("a_dead_database_of_the_switch_is_named", database_dies),
    ("a_dead_dhcp_server_is_named", dhcp_server_dies),
    ("a_killed_agent_is_told_with_the_step", agent_killed),
    ("a_lab_that_kills_everything_is_told_with_the_step", everything_killed),
    ("a_proc_that_is_mounted_over_fails_the_step", proc_mounted_over),
    ("a_clock_that_jumps_does_no_harm", clock_jumps),
    ("what_befell_others_is_no_cause", others::are_no_cause),
    ("what_was_killed_before_is_no_cause", others::what_was_killed_before),
    ("ctrl_c_and_exec_are_heard_while_a_lab_rages", answers::while_a_lab_rages),
];

/// A fault and what netlab makes of it.
struct Fault {
    /// In words, for the table.
    name: &'static str,
    /// The fence of the step's last command, after `sh`.
    fence: &'static str,
    /// That command.
    command: &'static str,
    /// Exit code of `demo`.
    exit: i32,
    /// What it says, its most telling words first; line breaks don't count.
    says: &'static [&'static str],
}

/// A lab whose second step has the fault, after the fences `before`.
fn lab(before: &str, fence: &str, command: &str) -> String {
    format!(
        "# A fault\n\n```toml lab\nid = \"fault\"\nsummary = \"A fault\"\nminutes = 1\n\
         namespaces = [\"red\"]\nneeds = {{ services = [\"openvswitch\"] }}\n```\n\n\
         ## All is well\n\nStill.\n\n```sh\nip netns add red\nip -n red link set lo up\n```\n\n\
         ## The fault\n\nNow.\n\n{before}```sh {fence}\n{command}\n```\n\n\
         ```toml check\nclaim = \"red has only lo\"\nin = \"red\"\nlinks = [\"lo\"]\n```\n"
    )
}

/// All that was printed, as one line.
fn words(outcome: &Outcome) -> String {
    let all = format!("{} {}", outcome.text(), outcome.stderr);
    all.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Fault {
    /// Has it happen, looks at what netlab says, and swaps the guest.
    #[track_caller]
    fn happens(&self, netlab: &Netlab) {
        self.happens_after("", netlab);
    }

    #[track_caller]
    fn happens_after(&self, before: &str, netlab: &Netlab) {
        let file = netlab.lab("fault.md", &lab(before, self.fence, self.command));
        table::begin(self.name);
        let outcome = netlab.run(["demo".as_ref(), file.as_os_str(), "--reset".as_ref()]);
        let said = words(&outcome);
        for part in self.says {
            assert!(said.contains(part), "no {part:?} in {said}");
        }
        outcome.exit(self.exit);
        // A guest that is still there can be worked in.
        if !self.says.iter().any(|part| part.contains("panicked") || part.contains("powered")) {
            netlab.run(["exec", "--", "true"]).exit(0);
        }
        table::said(self.name, self.says[0], self.exit);
        let millis = reset(netlab);
        table::was_reset(self.name, millis);
    }
}

/// Swaps the guest for one that is sound and came by a clone; returns how long that took.
#[track_caller]
fn reset(netlab: &Netlab) -> u64 {
    let lines = netlab.run(["reset", "--json"]).exit(0).json();
    let reset = &lines.last().expect("a line")["data"];
    assert_eq!(reset["swapped"], true, "{lines:?}");
    let rows = netlab.run(["status", "--json"]).exit(0).json();
    assert_eq!(rows[0]["data"][0]["start"], "clone", "{rows:?}");
    let file = netlab.lab("sound.md", include_str!("sound.md"));
    netlab.run([OsStr::new("demo"), file.as_os_str()]).exit(0);
    reset["millis"].as_u64().expect("a number")
}

fn kernel_panics(netlab: &Netlab) {
    let fault = Fault {
        name: "the kernel panics",
        fence: "ns=red",
        command: "echo c > /proc/sysrq-trigger",
        exit: 5,
        says: &[
            "the guest's kernel panicked: sysrq triggered crash",
            "step 2 (`The fault`) broke off at `echo c > /proc/sysrq-trigger` in red",
            "`netlab reset` starts a fresh one",
            "fault.md --from 2` goes on from step 2",
        ],
    };
    fault.happens(netlab);
    netlab.run(["demo", "2"]).exit(0);
}

fn powered_off(netlab: &Netlab) {
    let fault = Fault {
        name: "the guest powers off",
        fence: "",
        command: "kill -TERM 1; sleep 60",
        exit: 5,
        says: &[
            "the guest has powered itself off",
            "broke off at `kill -TERM 1; sleep 60` in root",
        ],
    };
    fault.happens(netlab);
}

fn out_of_memory(netlab: &Netlab) {
    let fault = Fault {
        name: "a command eats all memory",
        fence: "ns=red",
        command: "tail /dev/zero",
        exit: 1,
        says: &[
            "the lab ran out of memory: the kernel killed `tail`",
            "`tail /dev/zero` in red ended with exit status 137",
        ],
    };
    fault.happens(netlab);
}

fn files_fill_the_memory(netlab: &Netlab) {
    let fault = Fault {
        name: "files fill the memory",
        fence: "",
        command: "for at in /root /run /tmp /dev/shm; do \
                  dd if=/dev/zero of=$at/fill bs=1M status=none; done",
        exit: 1,
        says: &[
            "the lab ran out of memory: the kernel killed `dd`",
            "in root ended with exit status",
        ],
    };
    fault.happens(netlab);
}

fn root_is_full(netlab: &Netlab) {
    let fault = Fault {
        name: "the root is full",
        fence: "ns=red",
        command: "dd if=/dev/zero of=/root/fill bs=1M",
        exit: 1,
        says: &["no space is left on `/`", "of=/root/fill bs=1M` in red ended with exit status 1"],
    };
    fault.happens(netlab);
}

fn fork_bomb(netlab: &Netlab) {
    let fault = Fault {
        name: "a fork bomb",
        fence: "ns=red within=8s",
        command: "bomb() { bomb | bomb & }; bomb; sleep 60",
        exit: 1,
        says: &[
            "the lab has 512 processes, as many as it may have at once",
            "bomb; sleep 60` in red",
        ],
    };
    fault.happens(netlab);
}

fn ignores_sigterm(netlab: &Netlab) {
    let fault = Fault {
        name: "a step ignores SIGTERM",
        fence: "within=1s",
        command: "trap '' TERM INT HUP; while :; do sleep 1; done",
        exit: 1,
        says: &["in root did not end within its time limit", "trap '' TERM INT HUP"],
    };
    fault.happens(netlab);
}

fn floods(netlab: &Netlab) {
    let fault = Fault {
        name: "a flood of output",
        fence: "within=2s",
        command: "yes",
        exit: 1,
        says: &["`yes` in root did not end within its time limit", "more, thrown away"],
    };
    fault.happens(netlab);
}

fn switch_dies(netlab: &Netlab) {
    let fault = Fault {
        name: "ovs-vswitchd dies",
        fence: "within=2s",
        command: "ovs-vsctl add-br ovs1",
        exit: 1,
        says: &[
            "Open vSwitch's `ovs-vswitchd` no longer runs",
            "`ovs-vsctl add-br ovs1` in root did not end within its time limit",
        ],
    };
    fault.happens_after("```sh\npkill -9 ovs-vswitchd\n```\n\n", netlab);
}

fn database_dies(netlab: &Netlab) {
    let fault = Fault {
        name: "ovsdb-server dies",
        fence: "",
        command: "ovs-vsctl add-br ovs1",
        exit: 1,
        says: &[
            "Open vSwitch's `ovsdb-server` no longer runs",
            "`ovs-vsctl add-br ovs1` in root ended with exit status 1",
        ],
    };
    fault.happens_after("```sh\npkill -9 ovsdb-server\n```\n\n", netlab);
}

fn dhcp_server_dies(netlab: &Netlab) {
    let before = "```sh ns=red background=dhcp ready=udp:67\n\
                  dnsmasq -k -C /dev/null -p 0 -i lo --bind-interfaces -z \
                  --dhcp-range=127.0.0.10,127.0.0.20 -l /run/dhcp.leases\n```\n\n\
                  ```sh\nkill -9 $DHCP_PID\n```\n\n\
                  ```toml check\nclaim = \"the server runs\"\nin = \"red\"\nprocess = \"dhcp\"\n\
                  within = \"1s\"\n```\n\n";
    let fault = Fault {
        name: "dnsmasq dies",
        fence: "",
        command: "true",
        exit: 1,
        says: &["background `dhcp` has ended, exit status 137: Killed", "✗ the server runs"],
    };
    fault.happens_after(before, netlab);
}

fn agent_killed(netlab: &Netlab) {
    let fault = Fault {
        name: "the agent is killed",
        fence: "",
        command: "kill -9 $PPID; sleep 60",
        exit: 5,
        says: &[
            "the guest's agent was lost while running a step: it ended with exit status 137",
            "broke off at `kill -9 $PPID; sleep 60` in root",
            "the guest itself runs on",
        ],
    };
    fault.happens(netlab);
}

fn everything_killed(netlab: &Netlab) {
    let fault = Fault {
        name: "kill -9 -1",
        fence: "",
        command: "kill -9 -1; sleep 60",
        exit: 5,
        says: &["the guest itself runs on", "broke off at `kill -9 -1; sleep 60` in root"],
    };
    fault.happens(netlab);
}

fn proc_mounted_over(netlab: &Netlab) {
    let fault = Fault {
        name: "/proc is mounted over",
        fence: "",
        command: "mount -t tmpfs none /proc; false",
        exit: 1,
        says: &["`mount -t tmpfs none /proc; false` in root ended with exit status 1"],
    };
    fault.happens(netlab);
}

fn clock_jumps(netlab: &Netlab) {
    let fault = Fault {
        name: "the clock jumps",
        fence: "within=5s",
        command: "date -s 2038-01-01; sleep 0.1; date -s 2001-01-01; sleep 0.1",
        exit: 0,
        says: &["✓ demo fault: 2 steps, 1 check, all passed"],
    };
    fault.happens(netlab);
}
