//! Everything that is compiled in: recipe, locks, archive keys, and our own files for the guest.
//!
//! One line a file, by hand: what is not listed here is not in the image.

use crate::arch::Arch;

/// A file of ours in the guest.
#[derive(Debug, Clone, Copy)]
pub struct GuestFile {
    /// Path below the root.
    pub path: &'static str,
    /// Permission bits.
    pub mode: u16,
    /// Contents.
    pub bytes: &'static [u8],
}

macro_rules! guest_files {
    ($($mode:literal $path:literal),+ $(,)?) => {
        &[$(GuestFile {
            path: $path,
            mode: $mode,
            bytes: include_bytes!(concat!("../files/", $path)),
        }),+]
    };
}

/// Files of ours, which replace those of packages.
pub const GUEST: &[GuestFile] = guest_files![
    0o755 "usr/sbin/netlab-ovs",
    0o644 "etc/bash.bashrc",
    0o644 "etc/dhcp/dhclient-enter-hooks",
    0o644 "etc/dhcp/dhclient.conf",
    0o644 "etc/fstab",
    0o644 "etc/hostname",
    0o644 "etc/hosts",
    0o644 "etc/nsswitch.conf",
    0o644 "etc/profile",
    0o644 "etc/resolv.conf",
    0o644 "etc/shells",
    0o644 "root/.bashrc",
];

/// The recipe's text.
pub const RECIPE: &str = include_str!("../recipe.toml");

/// Returns the committed lock of an architecture.
pub fn lock(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => include_str!("../lock/amd64.toml"),
        Arch::Arm64 => include_str!("../lock/arm64.toml"),
    }
}

/// Debian's archive keys, as the package debian-archive-keyring has them: the archive's and the
/// release team's, of this release and of the one before, which sign the index together.
pub const KEYS: &[(&str, &[u8])] = &[
    (
        "debian-archive-trixie-automatic.gpg",
        include_bytes!("../keys/debian-archive-trixie-automatic.gpg"),
    ),
    (
        "debian-archive-trixie-stable.gpg",
        include_bytes!("../keys/debian-archive-trixie-stable.gpg"),
    ),
    (
        "debian-archive-bookworm-automatic.gpg",
        include_bytes!("../keys/debian-archive-bookworm-automatic.gpg"),
    ),
    (
        "debian-archive-bookworm-stable.gpg",
        include_bytes!("../keys/debian-archive-bookworm-stable.gpg"),
    ),
];
