//! What a machine of the user's is like, asked in one round trip before anything is touched there.

use std::collections::BTreeSet;

use netlab_protocol::Service;

use super::error::LentError;
use super::packages::Family;
use crate::agent::binary;
use crate::error::Error;
use crate::lab;
use crate::platform::Architecture;
use crate::ssh::Connection;

/// The script that looks, for any POSIX shell.
const SCRIPT: &str = include_str!("survey.sh");

/// First kernel with `cgroup.kill`, by which the agent ends a lab's processes.
const OLDEST_KERNEL: (u32, u32) = (5, 14);

/// How the user comes to be root there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// By logging in.
    Is,
    /// By `sudo`, which does not ask.
    Sudo,
    /// Not at all: there is no `sudo`.
    NoSudo,
    /// Not without a password.
    Password,
}

/// How Open vSwitch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// It does not run.
    Stopped,
    /// It runs.
    Runs,
    /// It runs and forwards nothing: Open vSwitch 3.1 that was started within 10 s of boot has no
    /// threads for packets that it has not seen before, and never makes any.
    Deaf,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// `uname -s`.
    pub system: String,
    /// `uname -m`.
    pub machine: String,
    /// `uname -r`.
    pub kernel: String,
    /// How the user comes to be root.
    pub root: Root,
    /// The kind of distribution, if netlab knows how packages are installed there.
    pub family: Option<Family>,
    /// Whether control groups of version 2 are mounted.
    pub has_cgroup2: bool,
    /// Commands that labs need and that are not there.
    pub lacks_commands: Vec<String>,
    /// Kernel modules that labs need and that are not there.
    pub lacks_modules: Vec<String>,
    /// Open vSwitch.
    pub switch: Switch,
}

/// What labs need of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Commands.
    pub commands: BTreeSet<String>,
    /// Kernel modules.
    pub modules: BTreeSet<String>,
}

impl Wanted {
    /// What the labs that are compiled in need, and the agent itself.
    ///
    /// # Errors
    /// A lab with a mistake.
    pub fn by_labs() -> Result<Self, Error> {
        let mut commands = BTreeSet::from(["ip", "modprobe"].map(str::to_owned));
        let mut modules = BTreeSet::new();
        for builtin in lab::builtin() {
            let needs = lab::parse(&builtin.source())?.needs;
            commands.extend(needs.commands);
            modules.extend(needs.modules);
            modules.extend(needs.services.into_iter().map(|service| match service {
                Service::Openvswitch => "openvswitch".to_owned(),
            }));
        }
        Ok(Self { commands, modules })
    }
}

impl Survey {
    /// Looks at the machine.
    ///
    /// # Errors
    /// The connection is lost, or the machine has no shell that understands the script.
    pub async fn of(connection: &Connection, host: &str, wanted: &Wanted) -> Result<Self, Error> {
        let words = wanted.commands.iter().map(String::as_str).chain(["--"]);
        let words = words.chain(wanted.modules.iter().map(String::as_str));
        let line = ["exec", "sh", "-c", SCRIPT, "netlab"].into_iter().chain(words);
        let line = shlex::try_join(line).unwrap_or_default();
        let output = connection.as_user().output(&line).await?;
        let said = String::from_utf8_lossy(&output);
        Ok(Self::read(&said).ok_or_else(|| LentError::NoShell {
            host: host.to_owned(),
            said: said.lines().next().unwrap_or_default().to_owned(),
        })?)
    }

    /// Reads what the script prints; `None` if it did not come to the end of the first facts.
    pub(in crate::provider) fn read(said: &str) -> Option<Self> {
        let values = |key: &str| {
            let key = key.to_owned();
            said.lines()
                .filter_map(move |line| line.split_once('=').filter(|(name, _)| *name == key))
                .map(|(_, value)| value)
        };
        let value = |key| values(key).next();
        let texts = |key| values(key).map(str::to_owned).collect();
        let root = match value("root") {
            Some("is") => Root::Is,
            Some("sudo") => Root::Sudo,
            Some("password") => Root::Password,
            Some(_) | None => Root::NoSudo,
        };
        let switch = match (value("switch"), value("switch-memory")) {
            (None, _) => Switch::Stopped,
            (Some(_), Some(memory)) if is_deaf(memory) => Switch::Deaf,
            (Some(_), _) => Switch::Runs,
        };
        Some(Self {
            system: value("system")?.to_owned(),
            machine: value("machine")?.to_owned(),
            kernel: value("kernel")?.to_owned(),
            root,
            family: value("distribution").and_then(Family::of),
            has_cgroup2: value("cgroup2").is_some(),
            lacks_commands: texts("lacks-command"),
            lacks_modules: texts("lacks-module"),
            switch,
        })
    }

    /// Refuses a machine on which no lab can run.
    ///
    /// # Errors
    /// [`LentError`], for the first reason.
    pub fn check(&self, host: &str, user: &str) -> Result<Architecture, LentError> {
        let (host, user) = (host.to_owned(), user.to_owned());
        if self.system != "Linux" {
            return Err(LentError::NotLinux { host, system: self.system.clone() });
        }
        let Some(architecture) = Architecture::of_machine(&self.machine) else {
            return Err(LentError::NoAgent { host, machine: self.machine.clone() });
        };
        if let Err(lacks) = binary::of(architecture) {
            return Err(LentError::NotBuiltIn { host, lacks });
        }
        match self.root {
            Root::Is | Root::Sudo => {}
            Root::NoSudo => return Err(LentError::NoSudo { host, user }),
            Root::Password => return Err(LentError::SudoAsks { host, user }),
        }
        if !self.has_new_kernel() {
            return Err(LentError::OldKernel { host, kernel: self.kernel.clone() });
        }
        if !self.has_cgroup2 {
            return Err(LentError::NoCgroup2 { host });
        }
        Ok(architecture)
    }

    /// Whether the kernel can end a whole control group.
    pub fn has_new_kernel(&self) -> bool {
        let mut parts = self.kernel.split(|character: char| !character.is_ascii_digit());
        let mut next = || parts.next().and_then(|part| part.parse::<u32>().ok());
        matches!((next(), next()), (Some(major), Some(minor)) if (major, minor) >= OLDEST_KERNEL)
    }

    /// What some labs need and is not as it should be, in words.
    pub fn lacking(&self) -> Vec<String> {
        let mut lacking: Vec<String> =
            self.lacks_modules.iter().map(|module| format!("kernel module `{module}`")).collect();
        lacking.extend(self.lacks_commands.iter().map(|command| format!("`{command}`")));
        match self.switch {
            Switch::Runs => {}
            Switch::Stopped => lacking.push("a running Open vSwitch".to_owned()),
            Switch::Deaf => lacking.push("an Open vSwitch that forwards".to_owned()),
        }
        lacking
    }
}

/// Whether `ovs-appctl memory/show` tells of a switch without handler threads.
fn is_deaf(memory: &str) -> bool {
    let mut words = memory.split_whitespace();
    // Before the switch has counted anything it prints nothing, which proves nothing.
    words.clone().next().is_some()
        && words.clone().any(|word| word.starts_with("ports:"))
        && !words.any(|word| word.strip_prefix("handlers:").is_some_and(|count| count != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Hint as _;

    const DEBIAN: &str = "system=Linux
machine=x86_64
kernel=6.12.9+deb13-cloud-amd64
root=sudo
distribution=debian 
cgroup2=yes
lacks-command=dnsmasq
lacks-command=ovs-vsctl
lacks-module=openvswitch
";

    fn survey(from: &str, to: &str) -> Survey {
        Survey::read(&DEBIAN.replace(from, to)).unwrap()
    }

    #[test]
    fn facts_are_read_and_no_facts_are_no_survey() {
        let debian = survey("", "");
        assert_eq!((debian.root, debian.family), (Root::Sudo, Some(Family::Debian)));
        assert_eq!(debian.lacks_commands, ["dnsmasq", "ovs-vsctl"]);
        let lacking = debian.lacking().join(", ");
        let expected =
            "kernel module `openvswitch`, `dnsmasq`, `ovs-vsctl`, a running Open vSwitch";
        assert_eq!(lacking, expected);
        debian.check("pi", "ann").unwrap();
        assert_eq!(Survey::read("'exec' is not recognized"), None);
    }

    #[test]
    fn a_machine_that_can_run_no_lab_is_refused_with_its_reason() {
        let rows = [
            ("Linux", "Darwin", "`pi` runs Darwin, and labs need Linux"),
            (
                "x86_64",
                "riscv64",
                "this netlab has no agent for `pi`, whose processor is a riscv64",
            ),
            ("=sudo", "=no-sudo", "on `pi`, `ann` is not root, and there is no `sudo`"),
            ("=sudo", "=password", "on `pi`, `ann` is not root, and `sudo` wants a password"),
            ("6.12.9+deb13-cloud-amd64", "5.10.0", "the kernel of `pi`, 5.10.0, is too old"),
            ("cgroup2=yes\n", "", "`pi` has no control groups of version 2"),
        ];
        for (from, to, message) in rows {
            let error = survey(from, to).check("pi", "ann").unwrap_err();
            assert_eq!(error.to_string(), message);
            assert!(!error.hint().is_empty());
        }
    }

    #[test]
    fn a_switch_without_handlers_is_told_from_one_that_works() {
        let memory = |text: &str| {
            Survey::read(&format!("{DEBIAN}switch=runs\nswitch-memory={text}\n")).unwrap().switch
        };
        assert_eq!(memory("handlers:2 ports:3 revalidators:1 rules:9"), Switch::Runs);
        assert_eq!(memory("idl-cells-Open_vSwitch:21 ports:3 rules:9"), Switch::Deaf);
        assert_eq!(memory(""), Switch::Runs);
        assert_eq!(survey("", "").switch, Switch::Stopped);
    }

    #[test]
    fn all_that_the_demos_need_is_looked_for() {
        let Wanted { commands, modules } = Wanted::by_labs().unwrap();
        for command in ["ip", "nft", "ovs-vsctl", "dnsmasq", "dhclient", "tcpdump"] {
            assert!(commands.contains(command), "{command}");
        }
        assert_eq!(modules.into_iter().collect::<Vec<_>>(), ["openvswitch", "veth"]);
    }
}
