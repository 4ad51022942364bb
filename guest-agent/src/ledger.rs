//! The ledger: what the lab said it would make, and what appeared while its steps ran.
//!
//! It is on disk before anything is made, so that a later agent can remove what a killed one
//! left: during a step it says what was there before the step. What appears between two steps was
//! made by the learner, and is never touched. On a machine that is lent, others make things during a
//! step as well (containers, tunnels), so there only what the lab has announced is its own.

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
const VERSION: u32 = 4;

/// The oldest version that is still read: a machine of the user's may have a lab of an older netlab.
const OLDEST_VERSION: u32 = 2;

/// Whose the machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// A guest of netlab's own, in which nobody else makes anything during a step.
    Own,
    /// Somebody's, who goes on using it.
    Lent,
}

/// What a lab makes.
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
    /// Folders with `/etc` files for those namespaces, and the one that they are in, but for such as
    /// were there before.
    pub etc_folders: Vec<PathBuf>,
    /// Networks to which the way out was closed. A ledger of version 2 has none.
    #[serde(default)]
    pub closed: Vec<String>,
    /// The only interfaces and bridges that can be the lab's, since it announced them; `None` in a
    /// guest of netlab's own, and in a ledger of version 3 or older.
    #[serde(default)]
    announced: Option<BTreeSet<String>>,
    /// What steps that are over have made and is still there.
    made: Inventory,
    /// What was there before the step that runs, or that was broken off.
    before_step: Option<Inventory>,
}

/// What the guest's first namespace has of the things that labs make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// Interfaces that `ip link` can remove.
    pub interfaces: BTreeSet<String>,
    /// Open vSwitch bridges.
    pub bridges: BTreeSet<String>,
}

impl Inventory {
    /// Asks the kernel and the switch.
    ///
    /// # Errors
    /// What listing interfaces or bridges may say.
    pub async fn take() -> Result<Self, Error> {
        let links = Netlink::open(&Place::Root).await?.links().await?;
        let removable = links.into_iter().filter(|link| match link.kind {
            Kind::Veth | Kind::Virtual => true,
            // Those go with their bridge; hardware doesn't go at all.
            Kind::Openvswitch | Kind::Physical => false,
        });
        Ok(Self {
            interfaces: removable.map(|link| link.name).collect(),
            bridges: switch::bridge_names().await?.into_iter().collect(),
        })
    }

    fn without(&self, earlier: &Self) -> Self {
        Self {
            interfaces: &self.interfaces - &earlier.interfaces,
            bridges: &self.bridges - &earlier.bridges,
        }
    }

    fn both(&self, other: &Self) -> Self {
        Self {
            interfaces: &self.interfaces & &other.interfaces,
            bridges: &self.bridges & &other.bridges,
        }
    }

    fn among(&self, names: &BTreeSet<String>) -> Self {
        Self { interfaces: &self.interfaces & names, bridges: &self.bridges & names }
    }

    fn either(&self, other: &Self) -> Self {
        Self {
            interfaces: &self.interfaces | &other.interfaces,
            bridges: &self.bridges | &other.bridges,
        }
    }
}

impl Ledger {
    /// Begins a ledger for a plan, before the way out to the networks `closed` is closed.
    pub fn new(plan: &Plan, machine: Machine, closed: Vec<String>) -> Self {
        let all = Path::new(netns::ETC_FOLDER);
        let etc_folder = |name: &String| all.join(name);
        // The folder of all of them last: it goes if nobody else has put anything into it.
        let etc_folders = plan.namespaces.iter().map(etc_folder).chain([all.to_owned()]);
        let announced = match machine {
            Machine::Own => None,
            Machine::Lent => Some(plan.interfaces.iter().cloned().collect()),
        };
        Self {
            version: VERSION,
            lab: plan.lab.clone(),
            namespaces: plan.namespaces.clone(),
            files: plan.files.clone(),
            etc_folders: etc_folders.filter(|it| !it.exists()).collect(),
            closed,
            announced,
            made: Inventory::default(),
            before_step: None,
        }
    }

    /// Notes, before a step, what is there. A step that was broken off before is over now.
    pub fn step_begins(&mut self, now: Inventory) {
        self.step_is_over(&now);
        self.before_step = Some(now);
    }

    /// Notes, after a step, what the step has made.
    pub fn step_is_over(&mut self, now: &Inventory) {
        self.made = self.made_of(now);
        self.before_step = None;
    }

    /// Returns what of all that is there now the lab has made.
    pub fn made_of(&self, now: &Inventory) -> Inventory {
        let new = self.before_step.as_ref().map(|before| now.without(before)).unwrap_or_default();
        let new = match &self.announced {
            Some(names) => new.among(names),
            None => new,
        };
        // What is gone is forgotten: whoever makes one of that name later owns it.
        self.made.either(&new).both(now)
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

    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let ledger: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if !(OLDEST_VERSION..=VERSION).contains(&ledger.version) {
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

    fn inventory(interfaces: &[&str], bridges: &[&str]) -> Inventory {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Inventory { interfaces: names(interfaces), bridges: names(bridges) }
    }

    fn ledger() -> Ledger {
        Ledger {
            version: VERSION,
            lab: "2".to_owned(),
            namespaces: vec!["red".to_owned()],
            files: vec!["/run/dhcp-r.leases".to_owned()],
            etc_folders: vec!["/etc/netns/red".into()],
            closed: vec!["10.0.0.0/24".to_owned()],
            announced: None,
            made: inventory(&["veth-r"], &["ovs1"]),
            before_step: Some(inventory(&["docker0"], &[])),
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
    fn what_appears_during_steps_is_the_labs_and_the_rest_is_not() {
        let mut ledger = Ledger { made: Inventory::default(), before_step: None, ..ledger() };
        ledger.step_begins(inventory(&["docker0"], &["br-int"]));
        ledger.step_is_over(&inventory(&["docker0", "veth-r", "veth-b"], &["br-int", "ovs1"]));
        // Between the steps: `mine` comes, and `veth-b` is replaced.
        ledger.step_begins(inventory(&["docker0", "veth-r", "mine"], &["br-int", "ovs1", "br0"]));
        let broken_off = ["docker0", "veth-r", "mine", "veth-b", "late"];
        let now = inventory(&broken_off, &["br-int", "ovs1", "br0"]);
        assert_eq!(ledger.made_of(&now), inventory(&["veth-r", "veth-b", "late"], &["ovs1"]));
        ledger.step_is_over(&inventory(&["docker0", "veth-r", "mine"], &["ovs1", "br0"]));
        let now = inventory(&["veth-r", "mine", "veth-b"], &["ovs1", "br0"]);
        assert_eq!(ledger.made_of(&now), inventory(&["veth-r"], &["ovs1"]));
    }

    #[test]
    fn on_a_lent_machine_only_what_the_lab_announced_is_the_labs() {
        let announced = ["veth-r", "ovs1"].map(str::to_owned).into();
        let mut ledger = Ledger {
            made: Inventory::default(),
            before_step: None,
            announced: Some(announced),
            ..ledger()
        };
        ledger.step_begins(inventory(&["docker0"], &[]));
        // Docker starts a container meanwhile, a tunnel comes up, and somebody makes a bridge.
        let now = inventory(&["docker0", "veth-r", "veth1a2b", "tun0"], &["ovs1", "br-int"]);
        let made = inventory(&["veth-r"], &["ovs1"]);
        assert_eq!(ledger.made_of(&now), made, "the step was broken off");
        ledger.step_is_over(&now);
        assert_eq!(ledger.made_of(&now), made);
    }

    #[test]
    fn a_ledger_reads_back_and_another_version_is_refused_with_both_named() {
        let text = serde_json::to_vec(&ledger()).unwrap();
        assert_eq!(Ledger::parse(&text).unwrap(), ledger());
        let later = serde_json::to_vec(&Ledger { version: 9, ..ledger() }).unwrap();
        assert_eq!(Ledger::parse(&later).unwrap_err(), "its version is 9, this agent writes 4");
    }
}
