//! The ledger: what was there before a lab, and what the lab said it would make.
//!
//! It is on disk before anything is made, so that a later agent can remove what a killed one
//! left. What is not in the baseline was made since; what is in it is never touched.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use netlab_protocol::{Place, Plan};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::netlink::{Kind, Netlink};
use crate::netns;
use crate::switch;

/// Everything that the agent keeps in the guest; gone with a reboot, as namespaces are.
const FOLDER: &str = "/run/netlab";

/// Held for as long as a session has a lab.
const LOCK: &str = "/run/netlab/lab.lock";

/// Where the ledger is.
const LEDGER: &str = "/run/netlab/ledger.json";

/// Where it is written before it is moved to its place.
const NEW_LEDGER: &str = "/run/netlab/ledger.json.new";

/// Version of the ledger's format.
const VERSION: u32 = 1;

/// What was there before a lab, and what the lab makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    version: u32,
    /// Id of the lab.
    pub lab: String,
    /// Namespaces that the lab's file announces.
    pub namespaces: Vec<String>,
    /// Files that the lab's file announces.
    pub files: Vec<String>,
    /// Folders with `/etc` files for those namespaces, but for such as were there before.
    pub etc_folders: Vec<PathBuf>,
    /// What was there before.
    pub baseline: Inventory,
}

/// What a guest has of the things that labs make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// Named network namespaces.
    pub namespaces: BTreeSet<String>,
    /// Interfaces of the first namespace that `ip link` can remove.
    pub interfaces: BTreeSet<String>,
    /// Open vSwitch bridges.
    pub bridges: BTreeSet<String>,
}

impl Inventory {
    /// Asks the kernel and the switch.
    ///
    /// # Errors
    /// What listing namespaces, interfaces or bridges may say.
    pub async fn take() -> Result<Self, Error> {
        let links = Netlink::open(&Place::Root).await?.links().await?;
        let removable = links.into_iter().filter(|link| match link.kind {
            Kind::Veth | Kind::Virtual => true,
            // Those go with their bridge; hardware doesn't go at all.
            Kind::Openvswitch | Kind::Physical => false,
        });
        Ok(Self {
            namespaces: netns::names()?.into_iter().collect(),
            interfaces: removable.map(|link| link.name).collect(),
            bridges: switch::bridge_names().await?.into_iter().collect(),
        })
    }

    /// Returns what is here and not in an earlier inventory.
    pub fn since(&self, earlier: &Self) -> Self {
        let new = |now: &BTreeSet<String>, then: &BTreeSet<String>| {
            now.difference(then).cloned().collect::<BTreeSet<_>>()
        };
        Self {
            namespaces: new(&self.namespaces, &earlier.namespaces),
            interfaces: new(&self.interfaces, &earlier.interfaces),
            bridges: new(&self.bridges, &earlier.bridges),
        }
    }
}

impl Ledger {
    /// Begins a ledger for a plan.
    pub fn new(plan: &Plan, baseline: Inventory) -> Self {
        let etc_folder = |name: &String| Path::new(netns::ETC_FOLDER).join(name);
        Self {
            version: VERSION,
            lab: plan.lab.clone(),
            namespaces: plan.namespaces.clone(),
            files: plan.files.clone(),
            etc_folders: plan.namespaces.iter().map(etc_folder).filter(|it| !it.exists()).collect(),
            baseline,
        }
    }

    /// Reads the ledger that an earlier session left.
    ///
    /// # Errors
    /// [`Error::Content`] if it is not one, or of another version.
    pub fn read() -> Result<Option<Self>, Error> {
        let path = Path::new(LEDGER);
        match fs::read(path) {
            Ok(text) => Self::parse(&text)
                .map(Some)
                .map_err(|problem| Error::Content { path: path.to_owned(), problem }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file("read", path)(error)),
        }
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let ledger: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if ledger.version != VERSION {
            let version = ledger.version;
            return Err(format!("its version is {version}, this agent writes {VERSION}"));
        }
        Ok(ledger)
    }

    /// Writes it to its place, whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self) -> Result<(), Error> {
        let (path, new) = (Path::new(LEDGER), Path::new(NEW_LEDGER));
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::Content {
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written = options.open(new).and_then(|mut file| file.write_all(&text));
        written.map_err(Error::file("write", new))?;
        fs::rename(new, path).map_err(Error::file("write", path))
    }

    /// Removes it, once nothing of its lab is left.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn remove() -> Result<(), Error> {
        match fs::remove_file(LEDGER) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::file("remove", Path::new(LEDGER))(error))
            }
            _ => Ok(()),
        }
    }
}

/// The right to have a lab in this guest; given up when dropped, or by the kernel on death.
///
/// It is a record lock of the open file, since such a lock can be looked at without being taken:
/// a session that only looks must not keep another one from its lab.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock lasts as long as the open file")] File);

impl Lock {
    /// Takes the lock, or `None` if another session has it.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn take() -> Result<Option<Self>, Error> {
        let folder = Path::new(FOLDER);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(Error::file("make", folder))?;
        Self::take_at(Path::new(LOCK))
    }

    /// Says whether a session has the lock.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn is_taken() -> Result<bool, Error> {
        Self::is_taken_at(Path::new(LOCK))
    }

    fn take_at(path: &Path) -> Result<Option<Self>, Error> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(Error::file("open", path))?;
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file())) {
            Ok(_) => Ok(Some(Self(file))),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(None),
            Err(errno) => Err(Error::file("lock", path)(errno.into())),
        }
    }

    fn is_taken_at(path: &Path) -> Result<bool, Error> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::file("open", path)(error)),
        };
        // The kernel puts the lock that stands in the way here, or says that none does.
        let mut found = whole_file();
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut found))
            .map_err(|errno| Error::file("look for the lock of", path)(errno.into()))?;
        Ok(i32::from(found.l_type) != libc::F_UNLCK)
    }
}

/// An exclusive lock of a file from its first byte to its end, however long.
fn whole_file() -> libc::flock {
    // The constants are small; the kernel's own fields are 16 bits wide.
    let (l_type, l_whence) = (libc::F_WRLCK as libc::c_short, libc::SEEK_SET as libc::c_short);
    libc::flock { l_type, l_whence, l_start: 0, l_len: 0, l_pid: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn inventory(namespaces: &[&str], interfaces: &[&str], bridges: &[&str]) -> Inventory {
        Inventory {
            namespaces: names(namespaces),
            interfaces: names(interfaces),
            bridges: names(bridges),
        }
    }

    #[test]
    fn a_lock_can_be_looked_at_while_it_is_taken_and_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!Lock::is_taken_at(&path).unwrap(), "there is no file yet");
        let lock = Lock::take_at(&path).unwrap().unwrap();
        assert!(Lock::is_taken_at(&path).unwrap());
        assert!(Lock::take_at(&path).unwrap().is_none());
        drop(lock);
        assert!(!Lock::is_taken_at(&path).unwrap());
        assert!(Lock::take_at(&path).unwrap().is_some());
    }

    #[test]
    fn what_was_there_before_is_never_new() {
        let before = inventory(&["green"], &["docker0", "gone"], &["br-int"]);
        let now = inventory(&["green", "red"], &["docker0", "veth-r"], &["br-int", "ovs1"]);
        assert_eq!(now.since(&before), inventory(&["red"], &["veth-r"], &["ovs1"]));
    }

    #[test]
    fn a_ledger_reads_back_and_another_version_is_refused_with_both_named() {
        let ledger = Ledger {
            version: VERSION,
            lab: "2".to_owned(),
            namespaces: vec!["red".to_owned()],
            files: vec!["/run/dhcp-r.leases".to_owned()],
            etc_folders: vec!["/etc/netns/red".into()],
            baseline: inventory(&[], &["eth0"], &[]),
        };
        let text = serde_json::to_vec(&ledger).unwrap();
        assert_eq!(Ledger::parse(&text).unwrap(), ledger);
        let later = serde_json::to_vec(&Ledger { version: 9, ..ledger }).unwrap();
        assert_eq!(Ledger::parse(&later).unwrap_err(), "its version is 9, this agent writes 1");
    }
}
