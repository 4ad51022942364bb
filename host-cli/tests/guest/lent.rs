//! A machine of the user's by SSH: the suite's guest plays it, another home the user. Labs pass
//! there, what is not netlab's stays, and what does not fit is refused by name.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::Body;
use crate::connection::SLOW;
use crate::demos::assert_nothing_failed;
use crate::running::{read_until, wait_until};
use crate::support::{Netlab, Outcome};
use crate::ways::{self, DEMOS, Way};

pub const TRIALS: &[(&str, Body)] = &[
    ("the_demos_pass_by_ssh_and_leave_the_machine_as_it_was", the_demos_pass),
    ("what_a_lab_would_make_and_is_there_is_refused_by_name", what_is_there_is_refused),
    ("what_a_lab_did_not_announce_stays", what_is_not_announced_stays),
    ("a_machine_that_is_not_the_known_one_is_refused", a_strange_machine_is_refused),
    ("a_key_that_was_taken_unknown_is_pinned_at_once", an_unknown_key_is_pinned),
    ("a_user_who_can_not_become_root_is_refused", not_root_is_refused),
    ("a_key_of_the_agent_is_enough", a_key_of_the_agent),
    ("two_users_do_not_mix_and_a_lost_one_leaves_nothing", two_users),
];

/// A machine with something of its owner's on it, and a user of it.
struct Lent<'a> {
    machine: &'a Netlab,
    user: Netlab,
}

impl<'a> Lent<'a> {
    /// The suite's guest as the machine, fresh.
    fn new(machine: &'a Netlab) -> Self {
        machine.run(["reset"]).exit(0);
        machine.inside("ip netns add mine; ovs-vsctl add-br br-mine");
        let user = Netlab::new();
        user.lab(CONFIGURATION, &machine.run(["ssh-config"]).exit(0).text());
        Self { machine, user }
    }

    /// Runs a verb for the machine, as the user's SSH configuration reaches it.
    #[track_caller]
    fn run(&self, verb: &[&str]) -> Outcome {
        self.user.run(words(&self.user, verb))
    }

    /// Runs a verb with another line in place of one in that configuration.
    #[track_caller]
    fn run_with(&self, key: &str, value: &str, verb: &[&str]) -> Outcome {
        let file = self.user.home().join(CONFIGURATION);
        let right = std::fs::read_to_string(file).expect("a file");
        let line = |line: &str| match line.trim().split(' ').next() == Some(key) {
            true => format!("    {key} {value}\n"),
            false => format!("{line}\n"),
        };
        let other: String = right.lines().map(line).collect();
        assert_ne!(other, right, "there is a line with {key}");
        self.user.lab(CONFIGURATION, &other);
        let outcome = self.run(verb);
        self.user.lab(CONFIGURATION, &right);
        outcome
    }

    /// What labs could leave: interfaces, namespaces, bridges, processes, files, mounts.
    #[track_caller]
    fn state(&self) -> String {
        self.machine.inside(
            "ip -d link; ip netns; ovs-vsctl show
             ps --ppid 2 -p 2 --deselect -o comm= | grep -v -x -E 'dropbear|ps|sh|grep|sort' | sort
             ls -d /etc/netns /var/lib/netlab /sys/fs/cgroup/netlab-lab /run/*.leases /run/*.pid 2>&1
             cat /proc/self/mounts",
        )
    }
}

/// Name of the user's SSH configuration.
const CONFIGURATION: &str = "ssh.conf";

/// The options that name the machine, and a verb.
fn words(user: &Netlab, verb: &[&str]) -> Vec<String> {
    let file = user.home().join(CONFIGURATION).to_string_lossy().into_owned();
    let options = ["--provider", "ssh", "--host", "netlab", "--ssh-config", &file];
    options.iter().chain(verb).map(|&word| word.to_owned()).collect()
}

fn the_demos_pass(netlab: &Netlab) {
    let lent = Lent::new(netlab);
    let before = lent.state();
    for demo in DEMOS {
        ways::note(Way::Ssh, demo, || {
            assert_nothing_failed(&lent.run(&["demo", demo, "--auto"]).exit(0));
        });
    }
    let modes = lent.machine.inside("stat -c '%U %a' /var/lib/netlab /var/lib/netlab/bin/*");
    assert_eq!(modes, "root 700\nroot 700\n");
    // From now on the name says which machine it is, as for any other guest.
    let verb = |words: &[&str]| {
        let words: Vec<&str> = ["--name", "netlab"].iter().chain(words).copied().collect();
        lent.user.run(words)
    };
    verb(&["demo", "1", "--auto", "--keep"]).exit(0);
    verb(&["status"]).exit(0).says(&["namespaces"]);
    verb(&["demo", "1", "--auto"]).exit(4).complains(&["stands on this machine", "`--reset`"]);
    verb(&["exec", "--ns", "red", "--", "id", "-u"]).exit(0).says(&["0"]);
    verb(&["logs", "agent"]).exit(0).says(&["leave the lab standing"]);
    verb(&["doctor"]).exit(0).says(&["Open vSwitch: it runs"]);
    verb(&["checkpoint"]).exit(2).complains(&["`netlab` is a machine of yours"]);
    verb(&["down"]).exit(0).says(&["namespace `red`", "the agent on `netlab`"]);
    verb(&["status"]).exit(0).says(&["no guest is up"]);
    assert_eq!(lent.state(), before);
}

fn what_is_there_is_refused(netlab: &Netlab) {
    let lent = Lent::new(netlab);
    let rows = [
        ("ip netns add red", "2", "namespace `red` exists already"),
        ("ip netns del red; ovs-vsctl add-br ovs1", "2", "bridge `ovs1` exists already"),
        (
            "ovs-vsctl del-br ovs1; ip link add veth-r type veth peer name mine",
            "2",
            "interface `veth-r` exists already",
        ),
        (
            "ip link del veth-r; ip netns exec mine dnsmasq --port=0 --pid-file=/run/mine.pid",
            "3",
            "process `dnsmasq` (pid ",
        ),
        ("touch /run/heard", "2", "file `/run/heard` exists already"),
    ];
    // The agent is there from here on.
    lent.run(&["up"]).exit(0);
    for (make, demo, words) in rows {
        lent.machine.inside(make);
        let before = lent.state();
        lent.run(&["demo", demo, "--auto"]).exit(4).complains(&[words]);
        assert_eq!(lent.state(), before, "{make}");
    }
}

/// A lab during one of whose steps an interface appears that is not the lab's, as one of Docker's would.
const BESIDE: &str = r#"# An interface beside it

```toml lab
id         = "beside"
summary    = "Makes an interface, and another one appears"
interfaces = ["announced"]
```

## Both appear

Only one of them is the lab's.

```sh
ip link add announced type dummy
ip link add beside type dummy
```
"#;

fn what_is_not_announced_stays(netlab: &Netlab) {
    let lent = Lent::new(netlab);
    let file = lent.user.lab("beside.md", BESIDE).to_string_lossy().into_owned();
    lent.run(&["demo", &file, "--auto"]).exit(0);
    let links = lent.machine.inside("ip -br link");
    assert!(links.contains("beside") && !links.contains("announced"), "{links}");
    lent.run(&["down"]).exit(0);
}

fn a_strange_machine_is_refused(netlab: &Netlab) {
    let lent = Lent::new(netlab);
    let known = lent.machine.known_hosts();
    let right = std::fs::read_to_string(known).expect("the pinned key");
    // Another key of the same form: the last of its 32 bytes differs.
    let end = if right.trim_end().ends_with('A') { "Q" } else { "A" };
    let wrong = format!("{}{end}\n", &right.trim_end()[..right.trim_end().len() - 1]);
    let wrong = lent.user.lab("wrong", &wrong);
    let none = lent.user.lab("none", "");
    let quoted = |path: &Path| format!("\"{}\"", path.display());
    let verb = &["demo", "1", "--auto"];
    lent.run_with("UserKnownHostsFile", &quoted(&wrong), verb).exit(5).complains(&[
        "has host key SHA256:",
        "not SHA256:",
        "`ssh-keygen -R 'netlab-default'",
    ]);
    lent.run_with("UserKnownHostsFile", &quoted(&none), verb).exit(3).complains(&[
        "nothing is known of the SSH server",
        "SHA256:",
        "log in once with",
    ]);
    assert!(lent.machine.inside("ls /var/lib").lines().all(|name| name != "netlab"));
}

fn an_unknown_key_is_pinned(netlab: &Netlab) {
    let lent = Lent::new(netlab);
    let none = lent.user.lab("none", "");
    let block = std::fs::read_to_string(lent.user.home().join(CONFIGURATION)).expect("a file");
    let lines =
        block.lines().filter(|line| !line.contains("HostsFile") && !line.contains("Strict"));
    let block: String = lines.map(|line| format!("{line}\n")).collect();
    let taking = "    StrictHostKeyChecking accept-new\n";
    let files = format!("    UserKnownHostsFile \"{}\"\n", none.display());
    lent.user.lab(CONFIGURATION, &format!("{block}{taking}{files}"));
    lent.run(&["doctor"]).exit(0).says(&["its host key was not known: pinned now"]);
    lent.run(&["doctor"]).exit(0).says(&["its host key is known"]);
    lent.run(&["down"]).exit(0).says(&["nothing was up"]);
    lent.run(&["doctor"]).exit(0).says(&["pinned now"]);
}

fn not_root_is_refused(netlab: &Netlab) {
    let lent = Lent::new(netlab);
    lent.machine.inside(
        "echo ann:x:1000:1000::/home/ann:/bin/sh >>/etc/passwd; mkdir -p /home/ann
         cp -r /root/.ssh /home/ann; chown -R 1000:1000 /home/ann; chmod 755 /home /home/ann",
    );
    let outcome = lent.run_with("User", "ann", &["demo", "1", "--auto"]).exit(3);
    outcome.complains(&["on `netlab`, `ann` is not root, and there is no `sudo`"]);
}

fn a_key_of_the_agent(netlab: &Netlab) {
    let lent = Lent::new(netlab);
    let agent = Agent::start(&lent.user, &lent.machine.home().join("i/default/id"));
    let socket = agent.socket.to_string_lossy().into_owned();
    lent.run_with("IdentityFile", "none", &["up"]).exit(4).complains(&["none of your keys"]);
    let user = &lent.user;
    let block = std::fs::read_to_string(user.home().join(CONFIGURATION)).expect("a file");
    let lines = block.lines().filter(|line| !line.contains("Identit"));
    let block: String = lines.map(|line| format!("{line}\n")).collect();
    user.lab(CONFIGURATION, &format!("{block}    IdentityAgent \"{socket}\"\n"));
    lent.run(&["up"]).exit(0);
    lent.run(&["down"]).exit(0);
}

/// OpenSSH's agent with one key, until it is dropped.
struct Agent {
    socket: std::path::PathBuf,
    process: Child,
}

impl Agent {
    #[expect(clippy::disallowed_methods, reason = "stock OpenSSH is what is tested here")]
    fn start(user: &Netlab, key: &Path) -> Self {
        let socket = user.home().join("agent");
        let mut agent = Command::new("ssh-agent");
        agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null());
        let agent = Self { process: agent.spawn().expect("ssh-agent starts"), socket };
        wait_until("the agent listens", || agent.socket.exists());
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(key).env("SSH_AUTH_SOCK", &agent.socket);
        assert!(add.status().expect("ssh-add runs").success());
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It has nothing to put in order.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn two_users(netlab: &Netlab) {
    let lent = Lent::new(netlab);
    let second = Netlab::new();
    let block = std::fs::read_to_string(lent.user.home().join(CONFIGURATION)).expect("a file");
    second.lab(CONFIGURATION, &block);
    let before = lent.state();
    let mut first = slow_demo_by(&lent.user);
    for verb in [["demo", "1"].as_slice(), &["reset"], &["down"]] {
        let outcome = second.run(words(&second, verb));
        assert!(outcome.code != Some(0), "{verb:?}");
        if verb == ["demo", "1"] {
            outcome.exit(4).complains(&["another netlab is running a lab in this guest"]);
        }
    }
    first.kill().expect("kill -9");
    first.wait().expect("it ends");
    wait_until("the machine has cleared the lab away", || {
        lent.machine.inside("ip netns | grep -c slow || :").trim() == "0"
            && lent.machine.inside("pgrep -f 'sleep 300[3]' || :").is_empty()
    });
    second.run(words(&second, &["reset"])).exit(0);
    lent.run(&["down"]).exit(0);
    assert_eq!(lent.state(), before);
}

/// A demo that takes its time, on the machine.
#[track_caller]
fn slow_demo_by(user: &Netlab) -> Child {
    let file = user.lab("slow.md", SLOW).to_string_lossy().into_owned();
    let mut demo = user.start(words(user, &["demo", &file]));
    read_until(demo.stdout.as_mut().expect("a pipe"), "slow is running");
    demo
}
