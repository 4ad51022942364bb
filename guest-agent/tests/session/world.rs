//! A world: what `ip netns`, the agent and its commands see and may change, and nothing more.
//!
//! Everything in it ends with it, since its first process is the init of a process namespace.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Makes the world and waits for the end of its input. The outer shell keeps the machine's view
/// of the cgroup tree, to remove the world's branch at the end.
const OUTER: &str = r#"
set -e
mount -t cgroup2 none /sys/fs/cgroup
BRANCH=/sys/fs/cgroup/netlab-test-$$
mkdir "$BRANCH"
export BRANCH
unshare --net --pid --mount --fork --kill-child --mount-proc sh -c "$0" || status=$?
find "$BRANCH" -depth -type d -exec rmdir '{}' +
exit ${status:-0}
"#;

const INNER: &str = r#"
set -e
mount --bind "$BRANCH" /sys/fs/cgroup
mount -t tmpfs none /run
ip link set lo up
echo ready
cat
"#;

/// One world; ends when dropped.
pub struct World {
    outer: Child,
    /// Its end is the world's end.
    input: Option<ChildStdin>,
    init: u32,
}

impl World {
    #[track_caller]
    pub fn new() -> Self {
        let mut outer = Command::new("unshare")
            .args(["--mount", "sh", "-c", OUTER, INNER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`unshare` of util-linux starts");
        let mut line = String::new();
        let output = outer.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(
            line, "ready\n",
            "these tests need root, and a kernel with network, mount and process namespaces and \
             cgroup v2"
        );
        let init = only_child(only_child(outer.id()));
        let input = outer.stdin.take();
        Self { outer, input, init }
    }

    /// Returns a command that runs inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--net", "--mount", "--pid", "--"]);
        command.arg(program);
        command
    }

    /// Runs a shell line inside and returns what it printed.
    #[track_caller]
    pub fn shell(&self, line: &str) -> String {
        let output = self.command("sh").args(["-c", line]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{line}`: {}\n{text}{errors}", output.status);
        text.trim().to_owned()
    }

    /// Waits for a process of this name and returns its id.
    #[track_caller]
    pub fn pid_of(&self, name: &str) -> String {
        self.shell(&format!("timeout 20 sh -c 'until pgrep -x {name}; do :; done'"))
    }

    /// Says whether nothing of a lab is left: no process, namespace, interface or file of ours.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert_eq!(self.shell("ip netns"), "");
        assert_eq!(self.shell("ip -br link | cut -d' ' -f1"), "lo");
        assert_eq!(self.shell("find /sys/fs/cgroup -mindepth 1 -type d"), "");
        assert_eq!(self.shell("ls /run/netlab"), "agent.log\nlab.lock");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.input.take());
        let ended = self.outer.wait();
        if !std::thread::panicking() {
            assert!(ended.unwrap().success(), "the world could not be taken down");
        }
    }
}

fn only_child(parent: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    children.split_whitespace().next().expect("a child").parse().unwrap()
}
