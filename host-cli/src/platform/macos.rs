//! macOS as data. The rule: Homebrew has one prefix on Apple silicon and another on Intel.

use super::{Accelerator, Installer};

pub(super) const ACCELERATORS: &[Accelerator] = &[Accelerator::Hvf, Accelerator::Tcg];

pub(super) const QEMU_FOLDERS: &[&str] = &["/opt/homebrew/bin", "/usr/local/bin", "/opt/local/bin"];

pub(super) const INSTALLERS: &[Installer] = &[
    Installer {
        program: "brew",
        prepare: &[],
        install: &["install"],
        package_x86_64: "qemu",
        package_aarch64: "qemu",
        // Homebrew refuses to run as root.
        needs_root: false,
    },
    Installer {
        program: "port",
        prepare: &[],
        // `-N`: MacPorts asks no questions.
        install: &["-N", "install"],
        package_x86_64: "qemu",
        package_aarch64: "qemu",
        needs_root: true,
    },
];
