//! What is done to netlab and its guests, and what may come of it.

use std::fs;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::call::Ended;
use crate::process;
use crate::world::{self, World};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// `kill -9` of netlab.
    KillNetlab,
    /// `kill -9` of the guest's QEMU, or of the one that makes a template.
    KillQemu,
    /// `kill -9` of the agent, in the guest.
    KillAgent,
    /// `kill -9` of the SSH server's process that has the agent's connection, in the guest.
    CutConnection,
    /// Ctrl-C.
    CtrlC,
    /// Ctrl-C, and at once another one.
    CtrlCTwice,
    /// The terminal is closed.
    CloseTerminal,
}

/// Done in the guest: the agent's processes are those of the file that netlab has put there.
const KILL_AGENT: &str = "pids=$(pgrep -f '^[/]run/netlab/bin/') && kill -9 $pids";
const CUT_CONNECTION: &str = "for pid in $(pgrep -f '^[/]run/netlab/bin/'); do \
    parent=$(ps -o ppid= -p $pid); [ $parent -gt 1 ] && kill -9 $parent && cut=y; done; [ $cut ]";

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::KillNetlab,
        Self::KillQemu,
        Self::KillAgent,
        Self::CutConnection,
        Self::CtrlC,
        Self::CtrlCTwice,
        Self::CloseTerminal,
    ];

    pub fn words(self) -> &'static str {
        match self {
            Self::KillNetlab => "kill -9 netlab",
            Self::KillQemu => "kill -9 QEMU",
            Self::KillAgent => "kill -9 agent",
            Self::CutConnection => "cut SSH",
            Self::CtrlC => "Ctrl-C",
            Self::CtrlCTwice => "Ctrl-C twice",
            Self::CloseTerminal => "close terminal",
        }
    }

    /// Does it to the netlab with this process id, or to the guest that it works with. Says whether
    /// there was something to do it to.
    pub fn inflict(self, world: &World, name: &str, netlab: u32) -> bool {
        let signalled = |signal| kill(Pid::from_raw(netlab.cast_signed()), signal).is_ok();
        match self {
            Self::KillNetlab => signalled(Signal::SIGKILL),
            Self::CtrlC => signalled(Signal::SIGINT),
            Self::CtrlCTwice => signalled(Signal::SIGINT) && signalled(Signal::SIGINT),
            Self::CloseTerminal => signalled(Signal::SIGHUP),
            Self::KillQemu => kill_qemu(world, name),
            Self::KillAgent => in_guest(world, name, KILL_AGENT),
            Self::CutConnection => in_guest(world, name, CUT_CONNECTION),
        }
    }

    /// What is wrong with the end of a verb that this was done to.
    pub fn wrong(self, ended: &Ended) -> Option<String> {
        let may_be = match self {
            Self::KillNetlab => ended.signal == Some(9),
            // Before netlab listens to it, a signal ends it as it does any program.
            Self::CtrlC | Self::CtrlCTwice => ended.code == Some(130) || ended.signal == Some(2),
            Self::CloseTerminal => ended.code == Some(130) || ended.signal == Some(1),
            Self::KillQemu => matches!(ended.code, Some(4 | 5)),
            Self::KillAgent | Self::CutConnection => ended.code == Some(5),
        };
        // It came too late, or was made good.
        if may_be || ended.code == Some(0) { unhelpful(ended) } else { Some("its end".to_owned()) }
    }
}

/// What an error lacks that should say what to do.
pub fn unhelpful(ended: &Ended) -> Option<String> {
    let is_error = matches!(ended.code, Some(1..=129));
    (is_error && !ended.errors.contains("try:")).then(|| "no `try:`".to_owned())
}

fn kill_qemu(world: &World, name: &str) -> bool {
    let folders = [world.instance(name), world.cache().join("templates/w")];
    let qemu = folders.iter().find_map(|folder| {
        let is_qemu = |line: &str| line.split('/').any(|part| part.starts_with("qemu-system-"));
        process::naming(folder).into_iter().find(|process| is_qemu(&process.line))
    });
    qemu.is_some_and(|process| kill(Pid::from_raw(process.pid), Signal::SIGKILL).is_ok())
}

/// Runs a script in the guest by another way than netlab's, and says whether it ended well.
fn in_guest(world: &World, name: &str, script: &str) -> bool {
    let folder = world.instance(name);
    let Some(port) = port(world, name) else {
        return false;
    };
    let mut ssh = world::process("ssh");
    ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"])
        .args(["-o", &format!("UserKnownHostsFile={}", folder.join("known_hosts").display())])
        .args(["-o", &format!("HostKeyAlias=netlab-{name}"), "-p", &port.to_string()])
        .arg("-i")
        .arg(folder.join("id"))
        .args(["root@127.0.0.1", script]);
    ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    ssh.status().is_ok_and(|status| status.success())
}

/// The port that leads to a guest that is up.
pub fn port(world: &World, name: &str) -> Option<u16> {
    let record = fs::read(world.instance(name).join("record.json")).ok()?;
    let record: Value = serde_json::from_slice(&record).ok()?;
    record["stage"]["port"].as_u64()?.try_into().ok()
}
