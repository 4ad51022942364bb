//! Another account of the host: what it finds on the disk, and at the guest's port.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use super::up;
use crate::running::read_until;
use crate::support::Netlab;

/// The account and group that own nothing, by Debian's numbers.
const NOBODY: u32 = 65534;

/// Within which time the guest's server has to greet, on a busy machine too.
const GREETING: Duration = Duration::from_secs(10);

pub fn on_the_disk(_: &Netlab) {
    let own = up(Netlab::new());
    // Nothing but the folders of netlab's own is in the way.
    fs::set_permissions(own.home(), fs::Permissions::from_mode(0o755)).expect("permissions");
    let open = own.lab("open", "for all\n");
    assert!(as_nobody("cat", &open).status.success(), "the way there is closed");

    let instances = own.home().join("i");
    let entries = fs::read_dir(instances.join("default")).expect("the instance");
    let files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    for name in ["id", "host_key", "qmp.sock", "boot.sock"] {
        assert!(files.iter().any(|path| path.ends_with(name)), "no {name} in {files:?}");
    }
    let listed = [instances.clone(), instances.join("default")];
    for (program, paths) in [("ls", listed.as_slice()), ("stat", &files), ("cat", &files)] {
        for path in paths {
            let output = as_nobody(program, path);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("Permission denied"), "{program} {}: {said}", path.display());
        }
    }
}

/// Runs a program on a path as the account that owns nothing.
#[track_caller]
fn as_nobody(program: &str, path: &Path) -> Output {
    let mut command = stranger(program);
    command.arg(path).uid(NOBODY).gid(NOBODY);
    command.output().expect("the program runs")
}

pub fn at_the_port(suite: &Netlab) {
    let own = up(Netlab::new());
    let address = own.address();
    let address = address.as_str().expect("the guest is up");
    let mut stream = TcpStream::connect(address).expect("everybody may connect");
    stream.set_read_timeout(Some(GREETING)).expect("a connection");
    read_until(&mut stream, "SSH-2.0-");
    drop(stream);

    let (_, port) = address.rsplit_once(':').expect("a port");
    let log_in = |user: &str, key: &OsStr| {
        let mut ssh = stranger("ssh");
        ssh.args(["-F", "/dev/null", "-p", port, "-l", user, "-i"]).arg(key);
        for option in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "LogLevel=ERROR",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
        ] {
            ssh.args(["-o", option]);
        }
        ssh.args(["127.0.0.1", "true"]).output().expect("ssh runs")
    };
    let key_of = |netlab: &Netlab| netlab.home().join("i/default/id");
    for user in ["netlab", "root"] {
        for key in [OsStr::new("none"), key_of(suite).as_os_str()] {
            let output = log_in(user, key);
            let said = String::from_utf8_lossy(&output.stderr);
            // In brackets are all ways that the server offers: no password is among them.
            assert!(said.contains("Permission denied (publickey)"), "{user}, {key:?}: {said}");
            assert_eq!(output.status.code(), Some(255), "{user}, {key:?}");
        }
    }
    let output = log_in("netlab", key_of(&own).as_os_str());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[expect(clippy::disallowed_methods, reason = "another account has programs of its own")]
fn stranger(program: &str) -> Command {
    Command::new(program)
}
