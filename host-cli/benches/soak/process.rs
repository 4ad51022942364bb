//! Processes, as Linux's /proc tells of them.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// A process that is ours.
#[derive(Debug, Clone)]
pub struct Process {
    pub pid: i32,
    /// Its words, with spaces between them.
    pub line: String,
}

/// Processes whose command line or environment names `folder`, other than this one. Those that have
/// ended and wait for their parent to ask (zombies) are none.
pub fn naming(folder: &Path) -> Vec<Process> {
    let folder = format!("{}/", folder.display());
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let of = |pid: i32| {
        let line = read(pid, "cmdline");
        let is_ours = line.contains(&folder) || read(pid, "environ").contains(&folder);
        (pid != own && !line.is_empty() && is_ours).then_some(Process { pid, line })
    };
    pids().into_iter().filter_map(of).collect()
}

fn pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok()).collect()
}

/// A file of /proc/PID that has NULs between its parts.
fn read(pid: i32, name: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    // Each part ends with `/` where a folder is named as a whole.
    String::from_utf8_lossy(&bytes).replace('\0', "/ ").trim_end().to_owned()
}

/// A figure of /proc/PID/`file` in KiB, such as `VmHWM` of `status` or `Pss` of `smaps_rollup`.
pub fn kib(pid: u32, file: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().trim_end_matches("kB").trim_end().parse().ok()
}

/// Which of `ports` somebody listens at, on 127.0.0.1, who does not lie outside of `folder`: a port
/// that was let go of may be another program's by now. A socket whose owner is not found is looked for
/// once more: that owner may have ended between the two looks.
pub fn listening(ports: &HashSet<u16>, folder: &Path) -> Vec<u16> {
    let first = not_anothers(sockets(ports), folder);
    let again = sockets(ports).into_iter().filter(|socket| first.contains(socket));
    not_anothers(again.collect(), folder).into_iter().map(|(port, _)| port).collect()
}

/// The sockets that listen at these ports: each with its name in /proc/PID/fd.
fn sockets(ports: &HashSet<u16>) -> Vec<(u16, String)> {
    // Fields of proc(5): the local address and port in hexadecimal, the remote one, the state, and,
    // five further on, the socket's inode.
    let text = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let socket = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (_, port) = fields.next()?.split_once(':')?;
        let listens = fields.nth(1)? == "0A";
        let port = u16::from_str_radix(port, 16).ok()?;
        let inode = fields.nth(5)?;
        (listens && ports.contains(&port)).then(|| (port, format!("socket:[{inode}]")))
    };
    text.lines().filter_map(socket).collect()
}

fn not_anothers(sockets: Vec<(u16, String)>, folder: &Path) -> Vec<(u16, String)> {
    let ours: HashSet<_> = naming(folder).into_iter().map(|process| process.pid).collect();
    let is_anothers =
        |socket: &str| pids().iter().any(|pid| !ours.contains(pid) && has(*pid, socket));
    sockets.into_iter().filter(|(_, socket)| !is_anothers(socket)).collect()
}

/// Whether a process has such a file open.
fn has(pid: i32, file: &str) -> bool {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.any(|target| target.as_os_str() == file)
}
