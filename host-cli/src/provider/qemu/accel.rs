//! Which accelerators work on this host, by trial. The rule: neither `/dev/kvm` nor
//! `-accel help` proves anything; only a kernel that has really booted does.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, RefreshKind, System};

use super::console::Console;
use super::discover::Qemu;
use super::version::Version;
use crate::platform::{Accelerator, Architecture};

/// First QEMU that runs arm64 guests with HVF reliably.
const HVF_ON_ARM_SINCE: Version = Version(8, 2, 1);

/// First QEMU that has WHPX for Arm (qemu-devel, "whpx: arm64", January 2026; microsoft/quicksand
/// issue 34 runs it with 11.0.0-rc2).
const WHPX_ON_ARM_SINCE: Version = Version(11, 0, 0);

/// What a trial showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The kernel started its init.
    Works,
    /// It did not.
    Fails {
        /// Why.
        problem: Problem,
    },
}

impl Verdict {
    /// Whether it is worth keeping.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Works => true,
            Self::Fails { problem } => problem.is_lasting(),
        }
    }
}

/// Why an accelerator doesn't work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum Problem {
    /// The host doesn't have it, or this QEMU was built without it.
    #[error("it is not there: {said}")]
    Missing {
        /// QEMU's words.
        said: String,
    },
    /// The user may not use it.
    #[error("you may not use it: {said}")]
    NoPermission {
        /// QEMU's words.
        said: String,
    },
    /// This QEMU is known not to run it.
    #[error("it needs QEMU {needed} or newer")]
    QemuTooOld {
        /// The oldest that does.
        needed: Version,
    },
    /// Hardware runs only its own instructions.
    #[error("it can't run {guest} guests on this computer")]
    Foreign {
        /// The guest's processor.
        guest: Architecture,
    },
    /// QEMU gave up.
    #[error("QEMU gave up: {said}")]
    Aborted {
        /// Its last words.
        said: String,
    },
    /// The guest never wrote a byte.
    #[error("the guest printed nothing in {seconds} s")]
    Hung {
        /// How long it was given.
        seconds: u64,
    },
    /// The guest began, but didn't get as far as its init.
    #[error("the guest got no further than `{last_line}` in {seconds} s")]
    Stalled {
        /// The last line of its console.
        last_line: String,
        /// How long it was given.
        seconds: u64,
    },
    /// The guest's kernel panicked.
    #[error("the guest's kernel panicked: {reason}")]
    Panicked {
        /// Its own reason.
        reason: String,
    },
}

impl Problem {
    /// What the user can do about it.
    pub fn cure(&self, accelerator: Accelerator) -> &'static str {
        match self {
            Self::Missing { .. } => match accelerator {
                Accelerator::Kvm | Accelerator::Tcg => {
                    "turn virtualization on in the firmware and the host system, and take a QEMU \
                     that was built with it"
                }
                Accelerator::Hvf => {
                    "take a QEMU that was built with it, as Homebrew's is; a macOS that is itself a \
                     virtual machine may have none"
                }
                // Microsoft's own name for the feature.
                Accelerator::Whpx => {
                    "turn virtualization on in the firmware, type `Enable-WindowsOptionalFeature \
                     -Online -FeatureName HypervisorPlatform` in an administrator's PowerShell, and \
                     restart Windows"
                }
            },
            Self::NoPermission { .. } => match accelerator {
                Accelerator::Kvm | Accelerator::Tcg => {
                    "`sudo usermod -aG kvm $USER`, then log out and in again"
                }
                // QEMU signs itself so when it is built (its accel/hvf/entitlements.plist).
                Accelerator::Hvf => {
                    "take a QEMU that is signed with the entitlement \
                     `com.apple.security.hypervisor`, as Homebrew's is"
                }
                Accelerator::Whpx => "ask this computer's administrator for the right to use it",
            },
            Self::QemuTooOld { .. } => "install a newer QEMU",
            Self::Foreign { .. } => "leave out `--arch`, or leave the guest to TCG",
            Self::Aborted { .. }
            | Self::Hung { .. }
            | Self::Stalled { .. }
            | Self::Panicked { .. } => {
                "if this host is itself a virtual machine, its own host must allow nested \
                 virtualization; another QEMU may help, too: `--qemu`"
            }
        }
    }

    /// Whether the verdict is worth keeping: what shows at once, and is cured from outside, is
    /// better tried again each time.
    fn is_lasting(&self) -> bool {
        match self {
            Self::Missing { .. }
            | Self::NoPermission { .. }
            | Self::QemuTooOld { .. }
            | Self::Foreign { .. } => false,
            Self::Aborted { .. }
            | Self::Hung { .. }
            | Self::Stalled { .. }
            | Self::Panicked { .. } => true,
        }
    }
}

/// What was seen in a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How QEMU ended by itself, in words; `None` if it had to be ended.
    pub ended: Option<String>,
    /// QEMU's last words.
    pub said: Option<String>,
    /// The guest's console.
    pub console: Console,
    /// How long the trial took, in seconds.
    pub seconds: u64,
}

/// The line with which the kernel hands over to the init (`init/main.c`): all of its own drivers
/// have started by then.
pub const KNOWN_LINE: &str = "Run /init as init process";

impl Outcome {
    /// Draws the conclusion.
    pub fn verdict(self) -> Verdict {
        if self.console.contains(KNOWN_LINE) {
            return Verdict::Works;
        }
        Verdict::Fails { problem: self.problem() }
    }

    fn problem(self) -> Problem {
        if let Some(reason) = self.console.panic() {
            return Problem::Panicked { reason: reason.to_owned() };
        }
        let seconds = self.seconds;
        let Some(ended) = self.ended else {
            return match self.console.last() {
                Some(line) => Problem::Stalled { last_line: line.to_owned(), seconds },
                None => Problem::Hung { seconds },
            };
        };
        let said = self.said.unwrap_or(ended);
        // The words of accel/kvm/kvm-all.c, target/i386/whpx, accel/hvf and softmmu/vl.c.
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if says(&["Permission denied", "Operation not permitted", "HV_DENIED"]) {
            Problem::NoPermission { said }
        } else if says(&[
            "No such file or directory",
            "invalid accelerator",
            "No accelerator found",
            "No such device",
            // WHPX where Windows has no such feature, or has it turned off.
            "Could not load library",
            "not supported by this host",
            "HV_UNSUPPORTED",
        ]) {
            Problem::Missing { said }
        } else {
            Problem::Aborted { said }
        }
    }
}

/// What is known without a trial.
pub fn known_problem(
    accelerator: Accelerator,
    host: Architecture,
    guest: Architecture,
    version: Version,
) -> Option<Problem> {
    if accelerator != Accelerator::Tcg && guest != host {
        return Some(Problem::Foreign { guest });
    }
    let needed = match (accelerator, guest) {
        (Accelerator::Hvf, Architecture::Aarch64) => HVF_ON_ARM_SINCE,
        (Accelerator::Whpx, Architecture::Aarch64) => WHPX_ON_ARM_SINCE,
        _ => return None,
    };
    (version < needed).then_some(Problem::QemuTooOld { needed })
}

/// All that a verdict depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circumstances {
    accelerator: Accelerator,
    qemu: PathBuf,
    version: Version,
    modified: u64,
    processor: String,
    host_kernel: String,
    image: String,
}

impl Circumstances {
    /// The host's processor and kernel, in words.
    pub fn host(&self) -> String {
        format!("{}, kernel {}", self.processor, self.host_kernel)
    }

    /// Looks at the host.
    ///
    /// # Errors
    /// What `sysinfo` says.
    pub fn here(
        accelerator: Accelerator,
        qemu: &Qemu,
        image: &str,
    ) -> Result<Self, sysinfo::Error> {
        let processors = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
        let system = System::new_with_specifics(processors)?;
        let processor = system.cpus().first().map(|cpu| cpu.brand().to_owned());
        Ok(Self {
            accelerator,
            qemu: qemu.path.clone(),
            version: qemu.version,
            modified: qemu.modified,
            processor: processor.unwrap_or_default(),
            host_kernel: System::kernel_version()?,
            image: image.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
