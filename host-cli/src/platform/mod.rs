//! What differs between operating systems: tables first, a few calls second.
//!
//! The tables are plain data, compiled and tested on every system, so that a macOS command line
//! can be checked on Linux. `cfg` on the system stands nowhere else in netlab.

pub mod keyboard;
mod linux;
mod macos;
mod process;
mod windows;

#[cfg_attr(unix, path = "os_unix.rs")]
#[cfg_attr(windows, path = "os_windows.rs")]
mod os;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use os::{
    Connection, Listener, connect, create_private_folder, data_ranges, detach, exposure,
    interrupted, is_private, is_root, make_private, read_exact_at, space_of, still_at, sync_folder,
};
pub use process::{CommandLines, ProcessIdentity, find_by_arguments};

/// An operating system that netlab runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Linux, the learner's or a CI machine's.
    Linux,
    /// macOS on Apple silicon or Intel.
    Macos,
    /// Windows 10 or later.
    Windows,
}

/// A processor architecture, of the host or of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    /// Debian's `amd64`.
    #[serde(rename = "amd64")]
    X86_64,
    /// Debian's `arm64`.
    #[serde(rename = "arm64")]
    Aarch64,
}

/// What QEMU runs the guest's instructions with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accelerator {
    /// The Linux kernel's virtualization.
    Kvm,
    /// Apple's Hypervisor.framework.
    Hvf,
    /// The Windows Hypervisor Platform.
    Whpx,
    /// QEMU's own translator: works everywhere, several times slower.
    Tcg,
}

/// Who else than this user can change what is in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// The account that the folder, or a link that leads to it, belongs to.
    Account {
        /// Its number.
        id: u32,
    },
    /// Every account of the computer.
    Everybody,
}

/// How the host reaches a character device of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// A Unix socket in the instance's folder; QEMU listens, and takes one client after another.
    UnixSocket,
    /// A named pipe; QEMU takes exactly one client for its whole life.
    NamedPipe,
}

/// One way to install QEMU: a program of the host and what to run with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installer {
    /// The package manager, looked for in `PATH`.
    pub program: &'static str,
    /// Commands to run before the installation, each without the program's name.
    pub prepare: &'static [&'static [&'static str]],
    /// The installation itself, without the program's name and the package.
    pub install: &'static [&'static str],
    /// The package with the emulator of x86_64 guests.
    pub package_x86_64: &'static str,
    /// The package with the emulator of aarch64 guests.
    pub package_aarch64: &'static str,
    /// Whether it must run as root.
    pub needs_root: bool,
}

impl Platform {
    /// The one this binary was built for.
    pub const HOST: Self = if cfg!(target_os = "windows") {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::Macos
    } else {
        Self::Linux
    };

    /// Accelerators to try, best first. TCG is always the last.
    pub fn accelerators(self) -> &'static [Accelerator] {
        match self {
            Self::Linux => linux::ACCELERATORS,
            Self::Macos => macos::ACCELERATORS,
            Self::Windows => windows::ACCELERATORS,
        }
    }

    /// Folders where QEMU is found although `PATH` doesn't name them; `%NAME%` stands for an
    /// environment variable.
    pub fn qemu_folders(self) -> &'static [&'static str] {
        match self {
            Self::Linux => linux::QEMU_FOLDERS,
            Self::Macos => macos::QEMU_FOLDERS,
            Self::Windows => windows::QEMU_FOLDERS,
        }
    }

    /// Package managers that can install QEMU, in the order in which they are looked for.
    pub fn installers(self) -> &'static [Installer] {
        match self {
            Self::Linux => linux::INSTALLERS,
            Self::Macos => macos::INSTALLERS,
            Self::Windows => windows::INSTALLERS,
        }
    }

    /// How the host reaches QEMU's character devices.
    pub fn channel_kind(self) -> ChannelKind {
        match self {
            Self::Linux | Self::Macos => ChannelKind::UnixSocket,
            // tokio and std have no Unix sockets on Windows, and a TCP port would be open to
            // every user of the machine.
            Self::Windows => ChannelKind::NamedPipe,
        }
    }

    /// Whether netlab and QEMU can hand each other a guest's state.
    pub fn saves_guests(self) -> bool {
        match self {
            Self::Linux | Self::Macos => true,
            // It goes over a Unix socket, so that no other user of the host can reach it.
            Self::Windows => false,
        }
    }

    /// Whether QEMU has a sandbox there: it is the Linux kernel's seccomp.
    pub fn sandboxes_qemu(self) -> bool {
        match self {
            Self::Linux => true,
            Self::Macos | Self::Windows => false,
        }
    }

    /// Where the user's SSH agent listens, if there is one: what OpenSSH's `IdentityAgent` names, else
    /// what the variable `SSH_AUTH_SOCK` does.
    pub fn ssh_agent(self, named: Option<&str>, variable: Option<String>) -> Option<String> {
        match named {
            Some("none") => None,
            Some("SSH_AUTH_SOCK") | None => match self {
                Self::Linux | Self::Macos => variable,
                // Where Windows' own OpenSSH has it.
                Self::Windows => {
                    Some(variable.unwrap_or_else(|| r"\\.\pipe\openssh-ssh-agent".to_owned()))
                }
            },
            Some(path) => Some(path.to_owned()),
        }
    }

    /// A command line as its user types it: into a POSIX shell, or into PowerShell.
    pub fn typed(self, words: &[String]) -> String {
        let quoted: Vec<_> = match self {
            // A word that can't be quoted, since it holds a NUL, is shown as it is.
            Self::Linux | Self::Macos => words
                .iter()
                .map(|word| shlex::try_quote(word).map_or(word.clone(), Into::into))
                .collect(),
            Self::Windows => words.iter().map(|word| windows::quoted(word)).collect(),
        };
        let line = quoted.join(" ");
        // What PowerShell reads first is a command only with `&` if it is quoted.
        if line.starts_with('\'') && self == Self::Windows { format!("& {line}") } else { line }
    }

    /// Name of the file of a program.
    pub fn executable(self, program: &str) -> String {
        match self {
            Self::Linux | Self::Macos => program.to_owned(),
            Self::Windows => format!("{program}.exe"),
        }
    }
}

impl Architecture {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// The one this binary was built for; anything unknown is taken for x86_64, which TCG emulates.
    pub const HOST: Self = if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 };

    /// The one that `uname -m` names on a Linux machine.
    pub fn of_machine(machine: &str) -> Option<Self> {
        match machine {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// Name of the emulator of such guests.
    pub fn emulator(self) -> &'static str {
        match self {
            Self::X86_64 => "qemu-system-x86_64",
            Self::Aarch64 => "qemu-system-aarch64",
        }
    }

    /// Debian's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// The guest's, where a file of an older netlab does not say it: there was no other.
    pub fn unrecorded() -> Self {
        Self::X86_64
    }

    /// The one that it is not.
    pub fn other(self) -> Self {
        match self {
            Self::X86_64 => Self::Aarch64,
            Self::Aarch64 => Self::X86_64,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl std::str::FromStr for Architecture {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|architecture| architecture.name() == word)
            .ok_or_else(|| format!("`{word}` is none of amd64, arm64"))
    }
}

impl Accelerator {
    /// QEMU's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Hvf => "hvf",
            Self::Whpx => "whpx",
            Self::Tcg => "tcg",
        }
    }

    /// How people write it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Kvm => "KVM",
            Self::Hvf => "Hypervisor.framework (HVF)",
            Self::Whpx => "Windows Hypervisor Platform (WHPX)",
            Self::Tcg => "TCG",
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl std::str::FromStr for Accelerator {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Kvm, Self::Hvf, Self::Whpx, Self::Tcg]
            .into_iter()
            .find(|accelerator| accelerator.name() == word)
            .ok_or_else(|| format!("`{word}` is none of kvm, hvf, whpx, tcg"))
    }
}

impl Installer {
    /// The package with the emulator of such guests.
    pub fn package(&self, guest: Architecture) -> &'static str {
        match guest {
            Architecture::X86_64 => self.package_x86_64,
            Architecture::Aarch64 => self.package_aarch64,
        }
    }

    /// The commands to run, in order, each as its words.
    pub fn commands(&self, guest: Architecture) -> Vec<Vec<String>> {
        let command = |words: &[&str]| {
            std::iter::once(self.program).chain(words.iter().copied()).map(str::to_owned).collect()
        };
        let mut commands: Vec<Vec<String>> =
            self.prepare.iter().map(|words| command(words)).collect();
        let mut install: Vec<String> = command(self.install);
        install.push(self.package(guest).to_owned());
        commands.push(install);
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Platform; 3] = [Platform::Linux, Platform::Macos, Platform::Windows];

    #[test]
    fn every_platform_can_fall_back_to_tcg_last() {
        for platform in ALL {
            assert_eq!(platform.accelerators().last(), Some(&Accelerator::Tcg), "{platform:?}");
        }
    }

    #[test]
    fn each_package_manager_is_typed_as_its_manual_says() {
        let typed: Vec<String> = ALL
            .iter()
            .flat_map(|platform| platform.installers())
            .map(|installer| {
                let commands = installer.commands(Architecture::X86_64);
                commands.iter().map(|words| words.join(" ")).collect::<Vec<_>>().join(" && ")
            })
            .collect();
        assert_eq!(
            typed,
            [
                "apt-get update && apt-get install -y --no-install-recommends qemu-system-x86",
                "dnf install -y qemu-system-x86-core",
                "pacman -Sy --noconfirm --needed qemu-system-x86",
                "zypper --non-interactive install --no-recommends qemu-x86",
                "apk add qemu-system-x86_64",
                "brew install qemu",
                "port -N install qemu",
                "winget install --exact --accept-source-agreements --accept-package-agreements \
                 --id SoftwareFreedomConservancy.QEMU",
                "scoop install qemu",
                "choco install -y qemu",
            ]
        );
    }

    #[test]
    fn architectures_have_the_same_name_wherever_they_are_written() {
        for architecture in Architecture::ALL {
            assert_eq!(architecture.name().parse(), Ok(architecture));
            let written = serde_json::to_string(&architecture).unwrap();
            assert_eq!(written, format!("\"{architecture}\""));
            assert_ne!(architecture.other(), architecture);
        }
        assert_eq!(
            "x86_64".parse::<Architecture>(),
            Err("`x86_64` is none of amd64, arm64".to_owned())
        );
    }

    #[test]
    fn the_ssh_agent_is_where_openssh_has_it() {
        let pipe = r"\\.\pipe\openssh-ssh-agent";
        let (variable, none) = (|| Some("/run/agent".to_owned()), || None);
        for (platform, named, variable, expected) in [
            (Platform::Linux, None, variable(), Some("/run/agent")),
            (Platform::Macos, Some("SSH_AUTH_SOCK"), variable(), Some("/run/agent")),
            (Platform::Linux, None, none(), None),
            (Platform::Linux, Some("/home/ann/agent"), variable(), Some("/home/ann/agent")),
            (Platform::Linux, Some("none"), variable(), None),
            (Platform::Windows, None, none(), Some(pipe)),
            (Platform::Windows, Some("none"), none(), None),
        ] {
            assert_eq!(platform.ssh_agent(named, variable).as_deref(), expected, "{platform:?}");
        }
    }

    #[test]
    fn a_command_line_can_be_typed_as_it_is_shown() {
        let words = [r"C:\Program Files\q.exe", "-smp", "2", "-m", "a,b", "it's", "-x.y", ""];
        let words = words.map(str::to_owned);
        assert_eq!(
            Platform::Windows.typed(&words),
            r"& 'C:\Program Files\q.exe' -smp 2 -m 'a,b' 'it''s' '-x.y' ''"
        );
        assert_eq!(Platform::Windows.typed(&words[1..3]), "-smp 2");
        let words = ["/usr/bin/q", "-m", "a,b", "it's", "a b"].map(str::to_owned);
        assert_eq!(Platform::Macos.typed(&words), r#"/usr/bin/q -m 'a,b' "it's" 'a b'"#);
    }

    #[test]
    fn accelerators_are_read_back_from_their_names() {
        for accelerator in ALL.iter().flat_map(|platform| platform.accelerators()) {
            assert_eq!(accelerator.name().parse(), Ok(*accelerator));
        }
        assert_eq!(
            "xen".parse::<Accelerator>(),
            Err("`xen` is none of kvm, hvf, whpx, tcg".to_owned())
        );
    }
}
