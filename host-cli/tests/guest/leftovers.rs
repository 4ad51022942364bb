//! What is left once netlab has been told to end everything: nothing.

use std::path::{Path, PathBuf};

use crate::Body;
use crate::running::wait_until;
use crate::support::Netlab;

pub const TRIALS: &[(&str, Body)] = &[
    ("a_second_guest_runs_beside_the_first", a_second_guest_runs_beside),
    ("a_killed_qemu_is_noticed_and_up_starts_anew", a_killed_qemu_is_noticed),
    ("down_all_leaves_no_process_port_or_file", down_all_leaves_nothing),
];

fn a_second_guest_runs_beside(netlab: &Netlab) {
    netlab.run(["--name", "second", "up"]).exit(0);
    let ours = netlab.run(["exec", "--", "cat", "/etc/machine-id"]).exit(0).text();
    let theirs = netlab.run(["--name", "second", "exec", "--", "cat", "/etc/machine-id"]).exit(0);
    assert_ne!(ours, theirs.text());
    netlab.run(["--name", "second", "demo", "1"]).exit(0);
}

fn a_killed_qemu_is_noticed(netlab: &Netlab) {
    let pid = pids(netlab).into_iter().next().expect("a QEMU");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .expect("kill -9");
    wait_until("QEMU is gone", || !pids(netlab).contains(&pid));
    for name in ["default", "second"] {
        netlab.run(["--name", name, "up"]).exit(0);
        netlab.run(["--name", name, "exec", "--", "true"]).exit(0);
    }
}

fn down_all_leaves_nothing(netlab: &Netlab) {
    assert_eq!(pids(netlab).len(), 2);
    let lines = netlab.run(["status", "--json"]).exit(0).json();
    let rows = lines[0]["data"].as_array().expect("rows").clone();
    let ports: Vec<_> =
        rows.iter().map(|row| row["address"].as_str().expect("up").to_owned()).collect();

    netlab.run(["down", "--all"]).exit(0);

    assert_eq!(pids(netlab), Vec::<i32>::new());
    for port in ports {
        assert!(std::net::TcpStream::connect(&port).is_err(), "{port} still answers");
    }
    let left: Vec<PathBuf> = files_below(&netlab.home().join("i"));
    assert_eq!(left, Vec::<PathBuf>::new());
    netlab.run(["status"]).exit(0).says(&["no guest is up"]);
    netlab.run(["down", "--all"]).exit(0).says(&["nothing was up"]);
}

/// Processes whose command line names a netlab's home.
pub fn pids(netlab: &Netlab) -> Vec<i32> {
    naming(netlab.home())
}

/// Processes whose command line names this folder.
pub fn naming(folder: &Path) -> Vec<i32> {
    let folder = folder.to_string_lossy().into_owned();
    let processes = std::fs::read_dir("/proc").expect("/proc");
    let pid = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().parse::<i32>().ok();
    let ours = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&folder)
    };
    processes.flatten().filter_map(pid).filter(ours).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.flatten().map(|entry| entry.path()).collect()
}
