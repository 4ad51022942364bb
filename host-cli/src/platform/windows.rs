//! Windows as data. The rule: QEMU's own installer doesn't put itself into `PATH`.

use super::{Accelerator, Installer};

pub(super) const ACCELERATORS: &[Accelerator] = &[Accelerator::Whpx, Accelerator::Tcg];

pub(super) const QEMU_FOLDERS: &[&str] = &[
    r"%ProgramFiles%\qemu",
    r"%USERPROFILE%\scoop\apps\qemu\current",
    r"%USERPROFILE%\scoop\shims",
    r"%ChocolateyInstall%\bin",
    r"C:\msys64\ucrt64\bin",
];

pub(super) const INSTALLERS: &[Installer] = &[
    Installer {
        program: "winget",
        prepare: &[],
        install: &[
            "install",
            "--exact",
            "--accept-source-agreements",
            "--accept-package-agreements",
            "--id",
        ],
        package_x86_64: "SoftwareFreedomConservancy.QEMU",
        package_aarch64: "SoftwareFreedomConservancy.QEMU",
        // It asks for elevation itself.
        needs_root: false,
    },
    Installer {
        program: "scoop",
        prepare: &[],
        install: &["install"],
        package_x86_64: "qemu",
        package_aarch64: "qemu",
        needs_root: false,
    },
    Installer {
        program: "choco",
        prepare: &[],
        install: &["install", "-y"],
        package_x86_64: "qemu",
        package_aarch64: "qemu",
        needs_root: false,
    },
];

/// A word for PowerShell, which takes nothing within single quotes for its own but the quote itself
/// (its manual, `about_Quoting_Rules`). Bare it would split at a comma, and an option at a point.
pub(super) fn quoted(word: &str) -> String {
    let is_plain =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '\\');
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "''"))
}
