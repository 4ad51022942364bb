//! Versions of QEMU that are known to be bad on some hosts, and why. The rule: a row only explains
//! and advises. Whether an accelerator is used is decided by a trial, since packagers mend what a
//! version's number still says.

use super::version::Version;
use crate::platform::{Accelerator, Architecture, Platform};

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The host's system.
    platform: Platform,
    /// The host's processor.
    host: Architecture,
    /// With what it shows, in guests of the host's own architecture.
    pub accelerator: Accelerator,
    /// The first version that has it.
    since: Version,
    /// The first one after it that has not.
    mended: Version,
    /// What happens.
    pub what: &'static str,
    /// What the user can do.
    pub cure: &'static str,
}

const FLAWS: &[Flaw] = &[
    // lima-vm/lima issue 1742; Homebrew/homebrew-core pulls 139356, 139492.
    Flaw {
        platform: Platform::Macos,
        host: Architecture::X86_64,
        accelerator: Accelerator::Hvf,
        since: Version(8, 0, 4),
        mended: Version(8, 0, 5),
        what: UNSIGNED,
        cure: RESIGNED,
    },
    // lima-vm/lima issue 1742; Homebrew/homebrew-core issue 140244, pull 140596.
    Flaw {
        platform: Platform::Macos,
        host: Architecture::X86_64,
        accelerator: Accelerator::Hvf,
        since: Version(8, 1, 0),
        mended: Version(8, 1, 1),
        what: UNSIGNED,
        cure: RESIGNED,
    },
    // NixOS/nixpkgs issues 528299 and 532038, seen with 11.0.0 and 11.0.1.
    Flaw {
        platform: Platform::Macos,
        host: Architecture::Aarch64,
        accelerator: Accelerator::Hvf,
        since: Version(11, 0, 0),
        mended: Version(11, 0, 2),
        what: "it aborts in `hvf_arch_init_vcpu` if it was built with an SDK older than macOS 15's, \
               as by nixpkgs",
        cure: "take Homebrew's QEMU, or one that was built with a newer SDK",
    },
    // NVIDIA/OpenShell pull 2924: stalls after the hand-over of the firmware, and 11.0.2 does not.
    Flaw {
        platform: Platform::Macos,
        host: Architecture::Aarch64,
        accelerator: Accelerator::Hvf,
        since: Version(11, 1, 0),
        mended: Version(11, 1, 1),
        what: "guests have been seen to stall at the start of their kernel",
        cure: "take QEMU 11.0.2 or a later one than this, and name it with `--qemu`",
    },
];

const UNSIGNED: &str = "Homebrew's first package of it had a broken signature: `-accel hvf: Unknown \
                        Error`";
const RESIGNED: &str = "`brew reinstall --force-bottle qemu`";

/// What is known of a QEMU of this version on such a host.
pub fn known(
    platform: Platform,
    host: Architecture,
    version: Version,
) -> impl Iterator<Item = &'static Flaw> {
    FLAWS.iter().filter(move |flaw| {
        flaw.platform == platform
            && flaw.host == host
            && (flaw.since..flaw.mended).contains(&version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_version_is_known_on_its_host_and_its_neighbours_are_not() {
        use Architecture::{Aarch64, X86_64};
        use Platform::{Linux, Macos, Windows};
        for (platform, host, version, count) in [
            (Macos, X86_64, Version(8, 0, 3), 0),
            (Macos, X86_64, Version(8, 0, 4), 1),
            (Macos, X86_64, Version(8, 1, 0), 1),
            (Macos, X86_64, Version(8, 1, 1), 0),
            (Macos, Aarch64, Version(8, 1, 0), 0),
            (Macos, Aarch64, Version(11, 0, 1), 1),
            (Macos, Aarch64, Version(11, 0, 2), 0),
            (Macos, Aarch64, Version(11, 1, 0), 1),
            (Linux, Aarch64, Version(11, 1, 0), 0),
            (Windows, X86_64, Version(11, 1, 0), 0),
        ] {
            let found = known(platform, host, version).count();
            assert_eq!(found, count, "{platform:?} {host} {version}");
        }
    }
}
