//! The end of a lab: its processes first, then what they made, in reverse, exactly by the ledger.
//!
//! A failure does not stop the rest: all are collected. The ledger goes last, and only if
//! everything else has gone, so that a later [`crate::lab::reset`] can try again.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use netlab_protocol::Place;
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};

use crate::cgroup::Cgroup;
use crate::error::Error;
use crate::exec;
use crate::ledger::{Inventory, Ledger};
use crate::netlink::Netlink;
use crate::netns;
use crate::outside;
use crate::process;
use crate::switch;

/// How long killed processes may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// How long the switch may take to remove a bridge.
const SWITCH_LIMIT: Duration = Duration::from_secs(15);

/// What came of an end, in words.
#[derive(Debug, Default)]
pub struct Removal {
    /// What was removed, in order.
    pub removed: Vec<String>,
    /// What could not be removed.
    pub errors: Vec<String>,
}

/// How many things are told by name: thousands would not fit into one message, nor onto a screen.
const TOLD: usize = 200;

impl Removal {
    /// Shortens both lists to what the host is told.
    pub fn abridged(self) -> Self {
        Self { removed: abridge(self.removed), errors: abridge(self.errors) }
    }

    fn note(&mut self, what: String, done: Result<bool, Error>) {
        match done {
            Ok(true) => self.removed.push(what),
            Ok(false) => {}
            Err(error) => self.errors.push(format!("{what}: {error}")),
        }
    }
}

fn abridge(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(TOLD);
    if more > 0 {
        lines.truncate(TOLD);
        lines.push(format!("and {more} more"));
    }
    lines
}

/// Removes all that the ledger says the lab has made, and nothing that a learner made beside it.
pub async fn remove(ledger: &Ledger) -> Removal {
    let mut removal = Removal::default();
    let cgroup = end_processes(&mut removal).await;
    match Inventory::take().await {
        Ok(now) => remove_made(&ledger.made_of(&now), &mut removal).await,
        Err(error) => removal.errors.push(error.to_string()),
    }
    for name in ledger.namespaces.iter().rev() {
        let path = netns::path(&Place::Namespace(name.clone()));
        removal.note(format!("namespace `{name}`"), remove_namespace(&path));
    }
    for folder in &ledger.etc_folders {
        let removed = if folder == Path::new(netns::ETC_FOLDER) {
            remove_empty(folder)
        } else {
            remove_path(folder)
        };
        removal.note(format!("folder `{}`", folder.display()), removed);
    }
    for network in &ledger.closed {
        let what = format!("route `throw {network}`");
        removal.note(what, outside::open(network).await);
    }
    for file in ledger.files.iter().rev() {
        removal.note(format!("file `{file}`"), remove_path(Path::new(file)));
    }
    if let Some(cgroup) = cgroup {
        removal.note("cgroup of the lab".to_owned(), cgroup.remove().map(|()| false));
    }
    if removal.errors.is_empty() {
        removal.note("ledger".to_owned(), Ledger::remove().map(|()| false));
    }
    removal
}

/// Kills the lab's processes and returns its cgroup, if there is one.
async fn end_processes(removal: &mut Removal) -> Option<Cgroup> {
    let cgroup = match Cgroup::find_lab() {
        Ok(cgroup) => cgroup?,
        Err(error) => {
            removal.errors.push(error.to_string());
            return None;
        }
    };
    let found = cgroup.pids().map(|pids| process::read_all(&pids));
    let ended = cgroup.end(KILL_LIMIT).await;
    match found {
        Ok(processes) if ended.is_ok() => removal.removed.extend(
            process::leaves(&processes)
                .map(|(pid, process)| format!("process {} (pid {pid})", process.name)),
        ),
        Ok(_) => {}
        Err(error) => removal.errors.push(error.to_string()),
    }
    removal.note("processes of the lab".to_owned(), ended.map(|()| false));
    Some(cgroup)
}

async fn remove_made(made: &Inventory, removal: &mut Removal) {
    let switch_runs = !matches!(process::named(&[switch::DAEMON.to_owned()]), Ok(None));
    for bridge in &made.bridges {
        // Without the switch itself nobody would ever say that it is done.
        let wait = if switch_runs { "--timeout=10" } else { "--no-wait" };
        let arguments = [wait, "--if-exists", "del-br", bridge];
        let done = exec::help("ovs-vsctl", &arguments, SWITCH_LIMIT).await;
        removal.note(format!("bridge `{bridge}`"), done.map(|_| true));
    }
    // Before the namespaces: the kernel takes a removed namespace's veth ends apart in its own
    // time, and the next lab wants the names of the ends in root at once.
    for name in &made.interfaces {
        removal.note(format!("interface `{name}`"), remove_interface(name).await);
    }
}

/// Removes an interface; one whose other end went before it is gone already.
async fn remove_interface(name: &str) -> Result<bool, Error> {
    let netlink = Netlink::open(&Place::Root).await?;
    let links = netlink.links().await?;
    match links.iter().find(|link| link.name == name) {
        Some(link) => netlink.remove_link(link.index).await.map(|()| true),
        None => Ok(false),
    }
}

/// Does what `ip netns delete` does. A name whose mount is gone already is only a file.
fn remove_namespace(path: &Path) -> Result<bool, Error> {
    match umount2(path, MntFlags::MNT_DETACH) {
        Ok(()) | Err(Errno::EINVAL) => remove_path(path),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(Error::file("unmount", path)(errno.into())),
    }
}

/// Removes a folder that nothing is in; says whether it did.
fn remove_empty(path: &Path) -> Result<bool, Error> {
    match fs::remove_dir(path) {
        Ok(()) => Ok(true),
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) =>
        {
            Ok(false)
        }
        Err(error) => Err(Error::file("remove", path)(error)),
    }
}

/// Removes a file or a whole folder; says whether it was there.
fn remove_path(path: &Path) -> Result<bool, Error> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::file("remove", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_and_its_rest_counted() {
        let lines = |count: usize| (0..count).map(|it| it.to_string()).collect::<Vec<_>>();
        assert_eq!(abridge(lines(200)), lines(200));
        let cut = abridge(lines(203));
        assert_eq!((cut.len(), cut[200].as_str()), (201, "and 3 more"));
    }
}
