//! Linux as data. The rule: package names are those of the emulator alone, without desktop parts.

use super::{Accelerator, Installer};

pub(super) const ACCELERATORS: &[Accelerator] = &[Accelerator::Kvm, Accelerator::Tcg];

pub(super) const QEMU_FOLDERS: &[&str] = &[
    "/usr/bin",
    "/usr/local/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    // NixOS keeps the system's programs here.
    "/run/current-system/sw/bin",
];

pub(super) const INSTALLERS: &[Installer] = &[
    Installer {
        program: "apt-get",
        // A machine fresh from its image has no package index yet.
        prepare: &[&["update"]],
        install: &["install", "-y", "--no-install-recommends"],
        package_x86_64: "qemu-system-x86",
        package_aarch64: "qemu-system-arm",
        needs_root: true,
    },
    Installer {
        program: "dnf",
        prepare: &[],
        install: &["install", "-y"],
        package_x86_64: "qemu-system-x86-core",
        package_aarch64: "qemu-system-aarch64-core",
        needs_root: true,
    },
    Installer {
        program: "pacman",
        prepare: &[],
        install: &["-Sy", "--noconfirm", "--needed"],
        package_x86_64: "qemu-system-x86",
        package_aarch64: "qemu-system-aarch64",
        needs_root: true,
    },
    Installer {
        program: "zypper",
        prepare: &[],
        install: &["--non-interactive", "install", "--no-recommends"],
        package_x86_64: "qemu-x86",
        package_aarch64: "qemu-arm",
        needs_root: true,
    },
    Installer {
        program: "apk",
        prepare: &[],
        install: &["add"],
        package_x86_64: "qemu-system-x86_64",
        package_aarch64: "qemu-system-aarch64",
        needs_root: true,
    },
];
