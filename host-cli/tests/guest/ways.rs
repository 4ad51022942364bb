//! Which demos passed by which way to a guest, as a table at the end of the run.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The demos, by the numbers that users give.
pub const DEMOS: [&str; 3] = ["1", "2", "3"];

/// A way to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// QEMU, a guest of this computer's own architecture.
    Qemu,
    /// QEMU, an arm64 guest.
    QemuArm64,
    /// A machine of the user's.
    Ssh,
    /// A machine that Vagrant makes.
    Vagrant,
}

/// Whether a demo that was begun has passed.
static PASSED: Mutex<BTreeMap<(Way, &str), bool>> = Mutex::new(BTreeMap::new());

/// Runs a demo's trial and notes down what becomes of it.
#[track_caller]
pub fn note(way: Way, demo: &'static str, trial: impl FnOnce()) {
    set(way, demo, false);
    trial();
    set(way, demo, true);
}

fn set(way: Way, demo: &'static str, passed: bool) {
    PASSED.lock().unwrap_or_else(PoisonError::into_inner).insert((way, demo), passed);
}

/// Prints the table, unless the trials that were picked run no demo for it.
#[expect(clippy::disallowed_macros, reason = "the table is for whoever runs the suite")]
pub fn print() {
    let passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    if passed.is_empty() {
        return;
    }
    println!("{:18} {:8} {:8} {:8}", "", "demo 1", "demo 2", "demo 3");
    for way in [Way::Qemu, Way::QemuArm64, Way::Ssh, Way::Vagrant] {
        let cells = DEMOS.map(|demo| match passed.get(&(way, demo)) {
            Some(true) => "passed",
            Some(false) => "FAILED",
            None => "not run",
        });
        let [one, two, three] = cells;
        println!("{:18} {one:8} {two:8} {three:8} {}", way.name(), way.remark(cells));
    }
    println!();
}

impl Way {
    fn name(self) -> String {
        match self {
            Self::Qemu => format!("qemu, {}", std::env::consts::ARCH),
            Self::QemuArm64 => "qemu, arm64".to_owned(),
            Self::Ssh => "ssh".to_owned(),
            Self::Vagrant => "vagrant-libvirt".to_owned(),
        }
    }

    /// Why it was left out, if that has a reason of its own.
    fn remark(self, cells: [&str; 3]) -> &'static str {
        match self {
            Self::QemuArm64 if cells == ["not run"; 3] => {
                "left out by name, or built without the agent for it"
            }
            Self::Vagrant => "by `.ci/vagrant/run`; docs/vagrant.md has what it printed",
            Self::Qemu | Self::QemuArm64 | Self::Ssh => "",
        }
    }
}
