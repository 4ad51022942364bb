//! Why a guest could not be brought up by QEMU, or not be ended.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::accel::Problem;
use super::console::Console;
use super::qmp::QmpError;
use super::readiness::Row;
use super::template::TemplateError;
use super::version::Version;
use crate::error::{Exit, Hint};
use crate::platform::{Accelerator, Architecture};
use crate::provider::Tier;
use crate::report::Phase;

/// Any failure of this provider.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    /// No QEMU anywhere.
    #[error("QEMU is not installed: there is no `{program}` in `PATH`{}", also_looked(.folders))]
    Missing {
        /// The program's name.
        program: String,
        /// Where else it was looked for.
        folders: Vec<PathBuf>,
        /// The host's own commands to install it, if one of its package managers is known.
        install: Option<String>,
    },
    /// The QEMU that the user named isn't there.
    #[error("there is no QEMU at `{}`", path.display())]
    NotThere {
        /// What was named.
        path: PathBuf,
    },
    /// The QEMU that the user named by a bare word isn't in `PATH`.
    #[error("there is no `{name}` in `PATH`")]
    NotInPath {
        /// What was named.
        name: String,
    },
    /// The QEMU that the user named is the one for other guests.
    #[error("`{}` runs {} guests, wanted is {guest}", path.display(), guest.other())]
    OtherEmulator {
        /// What was named.
        path: PathBuf,
        /// The guest's processor.
        guest: Architecture,
    },
    /// The program doesn't run, or is no QEMU.
    #[error("`{} --version` does not work: {problem}", path.display())]
    Unusable {
        /// The program.
        path: PathBuf,
        /// What came of it.
        problem: String,
    },
    /// QEMU is too old.
    #[error(
        "`{}` is QEMU {found}, netlab needs {} or newer",
        path.display(),
        Version::OLDEST
    )]
    TooOld {
        /// The program.
        path: PathBuf,
        /// Its version.
        found: Version,
        /// The host's own commands to install a newer one.
        install: Option<String>,
    },
    /// The accelerator that the user asked for doesn't work.
    #[error("{} does not work here: {problem}", accelerator.title())]
    AcceleratorFails {
        /// Which.
        accelerator: Accelerator,
        /// Why.
        problem: Problem,
    },
    /// The host has too little free memory.
    #[error("the guest needs {needed_mib} MiB of free memory, the host has {available_mib} MiB")]
    Memory {
        /// What the guest and QEMU need, in MiB.
        needed_mib: u64,
        /// What is free, in MiB.
        available_mib: u64,
    },
    /// The disk is full.
    #[error(
        "{needed_mib} MiB must be free on the disk of `{}`, there are {available_mib} MiB",
        folder.display()
    )]
    Disk {
        /// A folder on the disk.
        folder: PathBuf,
        /// What is needed, in MiB.
        needed_mib: u64,
        /// What is free, in MiB.
        available_mib: u64,
    },
    /// QEMU could not be started.
    #[error("can't start `{}`", qemu.display())]
    Spawn {
        /// The program.
        qemu: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file beside the guest could not be used.
    #[error("can't {action} `{}`", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The port that the user asked for is taken.
    #[error("port {port} of 127.0.0.1 is taken")]
    PortTaken {
        /// Which.
        port: u16,
    },
    /// QEMU ended during the start.
    #[error(
        "QEMU ended in phase `{}` ({status}): {}{console}",
        phase.name(),
        said.as_deref().unwrap_or("it did not say why")
    )]
    Exited {
        /// The phase of the start.
        phase: Phase,
        /// How it ended, in words.
        status: String,
        /// Its last words.
        said: Option<String>,
        /// The end of the guest's console.
        console: Console,
    },
    /// The guest's kernel panicked.
    #[error(
        "the guest's kernel panicked in phase `{}`: {reason}{}{console}",
        phase.name(),
        likely(console.likely_cause())
    )]
    Panicked {
        /// The phase of the start.
        phase: Phase,
        /// The kernel's own reason.
        reason: String,
        /// The end of the guest's console.
        console: Console,
    },
    /// The guest didn't get on.
    #[error(
        "the guest is stuck in phase `{}`: {} did not happen within {} s{}{console}",
        row.shown.name(),
        row.waits_for,
        waited.as_secs(),
        likely(console.likely_cause())
    )]
    Stalled {
        /// What was waited for.
        row: &'static Row,
        /// For how long.
        waited: Duration,
        /// What the guest runs with.
        accelerator: Accelerator,
        /// The end of the guest's console.
        console: Console,
    },
    /// The guest's init gave up.
    #[error("the guest's init gave up in phase `{}`: {problem}{console}", phase.name())]
    GaveUp {
        /// The phase of the start.
        phase: Phase,
        /// Its own words.
        problem: String,
        /// The end of the guest's console.
        console: Console,
    },
    /// The boot channel broke.
    #[error("the boot channel broke in phase `{}`: {problem}", phase.name())]
    Channel {
        /// The phase of the start.
        phase: Phase,
        /// What is wrong.
        problem: String,
    },
    /// QEMU doesn't answer as it should.
    #[error("{doing}")]
    Control {
        /// What was being done.
        doing: &'static str,
        /// What is wrong.
        source: QmpError,
    },
    /// The tier that the user asked for doesn't work.
    #[error("no {} of a saved guest: {reason}", tier.name())]
    TierFails {
        /// Which.
        tier: Tier,
        /// Why.
        reason: String,
    },
    /// The template is damaged, or can't be made or read.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// QEMU can't write the guest's state.
    #[error("QEMU can't save the guest: {reason}")]
    NotSaved {
        /// QEMU's own words.
        reason: String,
    },
    /// The guest is there but doesn't run.
    #[error("the guest is there, but QEMU says that it is `{status}`")]
    NotRunning {
        /// QEMU's word for its state.
        status: String,
    },
    /// Processes can't be looked at.
    #[error("can't look at the processes of this host")]
    Processes(#[from] sysinfo::Error),
    /// QEMU did not end.
    #[error("QEMU (pid {pid}) did not end within {} s", waited.as_secs())]
    Survived {
        /// Its pid.
        pid: u32,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A part of netlab itself failed.
    #[error("netlab failed while {doing}")]
    Internal {
        /// What was being done.
        doing: &'static str,
        /// What happened to the task.
        source: tokio::task::JoinError,
    },
}

/// How the standard library's words for a process that SIGKILL ended begin (`ExitStatus`, on Unix).
const KILLED: &str = "signal: 9";

/// Where a start broke: by that is decided what else may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broke {
    /// QEMU ended.
    Qemu,
    /// The guest's kernel did not get on.
    Kernel,
    /// The guest's init did not.
    Init,
    /// What netlab hears of either.
    Channel,
    /// Before either ran, or beside them.
    Host,
}

impl QemuError {
    /// Whether a failed start from a saved guest may be the tier's doing.
    pub fn may_be_the_tiers(&self) -> bool {
        self.broke() != Broke::Host
    }

    /// Whether a failed start may be the accelerator's doing: one that hangs can take all of QEMU with
    /// it, which then answers nothing.
    pub fn may_be_the_accelerators(&self) -> bool {
        matches!(self.broke(), Broke::Qemu | Broke::Kernel | Broke::Channel)
    }

    /// Whether a boot failed in the guest, as it would in another QEMU of the same kind.
    pub fn is_the_guests(&self) -> bool {
        matches!(self.broke(), Broke::Kernel | Broke::Init)
    }

    /// Whether QEMU was killed, as by a user or by a host without memory: that says nothing about the way in
    /// which it was started.
    pub fn is_a_kill(&self) -> bool {
        matches!(self, Self::Exited { status, .. } if status.starts_with(KILLED))
    }

    /// The first line of its words: the rest is the guest's console.
    pub fn in_short(&self) -> String {
        self.to_string().lines().next().unwrap_or_default().to_owned()
    }

    fn broke(&self) -> Broke {
        match self {
            Self::Exited { .. } => Broke::Qemu,
            Self::Panicked { .. } | Self::Stalled { .. } => Broke::Kernel,
            Self::GaveUp { .. } => Broke::Init,
            Self::Channel { .. } | Self::Control { .. } => Broke::Channel,
            Self::Missing { .. }
            | Self::NotThere { .. }
            | Self::NotInPath { .. }
            | Self::OtherEmulator { .. }
            | Self::Unusable { .. }
            | Self::TooOld { .. }
            | Self::AcceleratorFails { .. }
            | Self::Memory { .. }
            | Self::Disk { .. }
            | Self::Spawn { .. }
            | Self::File { .. }
            | Self::PortTaken { .. }
            | Self::TierFails { .. }
            | Self::Template(_)
            | Self::NotSaved { .. }
            | Self::NotRunning { .. }
            | Self::Processes(_)
            | Self::Survived { .. }
            | Self::Internal { .. } => Broke::Host,
        }
    }
}

fn also_looked(folders: &[PathBuf]) -> String {
    if folders.is_empty() {
        return String::new();
    }
    let names: Vec<String> = folders.iter().map(|path| format!("`{}`", path.display())).collect();
    format!(", nor in {}", names.join(", "))
}

fn likely(cause: Option<&str>) -> String {
    cause.map(|cause| format!("; likely {cause}")).unwrap_or_default()
}

fn install_hint(install: Option<&String>) -> String {
    match install {
        Some(commands) => {
            format!("`{commands}`, or let `netlab doctor --fix` do it, or name one with `--qemu`")
        }
        None => {
            "install QEMU with the host's package manager, or name one with `--qemu`".to_owned()
        }
    }
}

impl Hint for QemuError {
    fn hint(&self) -> String {
        let serial = "`netlab logs serial` shows the whole console";
        match self {
            Self::Missing { install, .. } | Self::TooOld { install, .. } => {
                install_hint(install.as_ref())
            }
            Self::OtherEmulator { guest, .. } => format!(
                "name a `{}` with `--qemu` or `NETLAB_QEMU`, leave both out, or take `--arch {}`",
                guest.emulator(),
                guest.other()
            ),
            Self::NotThere { .. } | Self::NotInPath { .. } => {
                "give the emulator's full path to `--qemu` or `NETLAB_QEMU`, or leave both out"
                    .to_owned()
            }
            Self::Unusable { path, .. } => format!(
                "run `{} --version` yourself, reinstall QEMU, or name another with `--qemu`",
                path.display()
            ),
            Self::AcceleratorFails { accelerator, problem } => format!(
                "{}; or leave out `--accel`, or take `--accel tcg`",
                problem.cure(*accelerator)
            ),
            Self::Memory { .. } => {
                "close some programs, or end other guests with `netlab down --all`".to_owned()
            }
            Self::Disk { folder, .. } => format!(
                "free some space, or set `NETLAB_HOME` to a folder on another disk than `{}`",
                folder.display()
            ),
            Self::Spawn { qemu, .. } => {
                format!("run `{} --version` to see whether it works at all", qemu.display())
            }
            Self::File { path, .. } => format!("make sure that `{}` is yours", path.display()),
            Self::PortTaken { .. } => {
                "leave out `--port` to get a free one, or name another".to_owned()
            }
            Self::Exited { .. } => {
                format!("`netlab logs qemu` shows all that QEMU said\n{serial}")
            }
            Self::Panicked { .. } => format!(
                "{serial}\n`netlab image verify` tells whether the image is as it should be"
            ),
            Self::Stalled { row, accelerator, .. } => {
                let cure = match accelerator {
                    // Emulation is beyond the doubt that hardware is not.
                    Accelerator::Tcg => row.cure,
                    Accelerator::Kvm | Accelerator::Hvf | Accelerator::Whpx => {
                        "try `netlab up --accel tcg`; `netlab doctor` tries each accelerator"
                    }
                };
                format!(
                    "{cure}
{serial}"
                )
            }
            Self::GaveUp { .. } => format!(
                "{serial}\n`netlab image verify` tells whether the image is as it should be"
            ),
            Self::Channel { .. } => {
                format!("try again with `netlab down` and `netlab up`\n{serial}")
            }
            Self::Control { .. } | Self::NotRunning { .. } => {
                "end it with `netlab down`, then start it again with `netlab up`".to_owned()
            }
            Self::TierFails { .. } => {
                "leave out `--start` to take the next way by itself".to_owned()
            }
            Self::Template(error) => error.hint(),
            Self::NotSaved { .. } => {
                "start it with `netlab up --start cold`, which needs nothing saved".to_owned()
            }
            Self::Processes(_) => "run netlab where `/proc` is mounted".to_owned(),
            Self::Survived { pid, .. } => format!("end it by hand: `kill -9 {pid}`"),
            Self::Internal { .. } => "try again; if it happens again, please report it".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Template(error) => error.exit(),
            Self::Missing { .. }
            | Self::TooOld { .. }
            | Self::Unusable { .. }
            | Self::AcceleratorFails { .. }
            | Self::TierFails { .. }
            | Self::Memory { .. }
            | Self::Disk { .. }
            | Self::Spawn { .. }
            | Self::File { .. }
            | Self::PortTaken { .. }
            | Self::Processes(_) => Exit::HostLacks,
            Self::NotThere { .. } | Self::NotInPath { .. } | Self::OtherEmulator { .. } => {
                Exit::Usage
            }
            Self::Exited { .. }
            | Self::Panicked { .. }
            | Self::Stalled { .. }
            | Self::GaveUp { .. }
            | Self::Channel { .. }
            | Self::Control { .. }
            | Self::NotSaved { .. }
            | Self::NotRunning { .. }
            | Self::Survived { .. }
            | Self::Internal { .. } => Exit::GuestDown,
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_kill_is_told_from_a_crash() {
        for (signal, is_a_kill) in [("KILL", true), ("ABRT", false)] {
            let script = format!("kill -{signal} $$");
            let status = Command::new("sh").args(["-c", &script]).status().unwrap().to_string();
            let console = Console::from_bytes(b"");
            let error = QemuError::Exited { phase: Phase::Kernel, status, said: None, console };
            assert_eq!(error.is_a_kill(), is_a_kill, "{error}");
        }
    }
}
