//! Which packages have what labs need, as data, and the commands that install them.

use super::survey::{Survey, Switch};

/// A kind of distribution, by its package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Debian, Ubuntu and what is made of them: `apt-get`.
    Debian,
    /// Fedora, and what is made of Red Hat's: `dnf`.
    Fedora,
    /// Alpine: `apk`.
    Alpine,
}

/// Packages with a command, as Debian, Fedora and Alpine name them; `None` where none has it.
const PACKAGES: [(&str, [Option<&str>; 3]); 16] = [
    ("arp", [Some("net-tools"), Some("net-tools"), Some("net-tools")]),
    ("conntrack", [Some("conntrack"), Some("conntrack-tools"), Some("conntrack-tools")]),
    // Fedora dropped the package after release 41; there the row stays bad.
    ("dhclient", [Some("isc-dhcp-client"), Some("dhcp-client"), Some("dhclient")]),
    // On Debian the package `dnsmasq` would start a server.
    ("dnsmasq", [Some("dnsmasq-base"), Some("dnsmasq"), Some("dnsmasq")]),
    ("hostname", [Some("hostname"), Some("hostname"), None]),
    // Busybox has one that doesn't know the option, and Alpine has no other.
    ("hostname -I", [Some("hostname"), Some("hostname"), None]),
    ("ip", [Some("iproute2"), Some("iproute"), Some("iproute2")]),
    ("modprobe", [Some("kmod"), Some("kmod"), Some("kmod")]),
    ("nc", [Some("netcat-openbsd"), Some("nmap-ncat"), Some("netcat-openbsd")]),
    ("nft", [Some("nftables"), Some("nftables"), Some("nftables")]),
    ("ovs-appctl", [Some(OVS[0]), Some(OVS[1]), Some(OVS[2])]),
    ("ovs-ofctl", [Some(OVS[0]), Some(OVS[1]), Some(OVS[2])]),
    ("ovs-vsctl", [Some(OVS[0]), Some(OVS[1]), Some(OVS[2])]),
    ("ping", [Some("iputils-ping"), Some("iputils"), Some("iputils")]),
    ("ss", [Some("iproute2"), Some("iproute"), Some("iproute2")]),
    ("tcpdump", [Some("tcpdump"), Some("tcpdump"), Some("tcpdump")]),
];

/// Packages with Open vSwitch.
const OVS: [&str; 3] = ["openvswitch-switch", "openvswitch", "openvswitch"];

impl Family {
    /// Takes `ID` and `ID_LIKE` of `/etc/os-release`, with spaces between all words.
    pub fn of(distribution: &str) -> Option<Self> {
        distribution.split_whitespace().find_map(|word| match word {
            "debian" | "ubuntu" | "raspbian" => Some(Self::Debian),
            "fedora" | "rhel" | "centos" => Some(Self::Fedora),
            "alpine" => Some(Self::Alpine),
            _ => None,
        })
    }

    /// The package with a command, if there is one.
    pub fn package(self, command: &str) -> Option<&'static str> {
        let (_, packages) = PACKAGES.iter().find(|(known, _)| *known == command)?;
        packages[self.column()]
    }

    fn column(self) -> usize {
        match self {
            Self::Debian => 0,
            Self::Fedora => 1,
            Self::Alpine => 2,
        }
    }

    /// The lines that install packages.
    fn install(self, packages: &[&str]) -> Vec<String> {
        let packages = packages.join(" ");
        match self {
            Self::Debian => vec![
                "apt-get update".to_owned(),
                format!(
                    "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
                     {packages}"
                ),
            ],
            Self::Fedora => vec![format!("dnf install -y {packages}")],
            Self::Alpine => vec![format!("apk add {packages}")],
        }
    }

    /// The lines that make Open vSwitch run, now and after a reboot.
    pub fn start_switch(self) -> Vec<String> {
        let lines: &[&str] = match self {
            Self::Debian => &["systemctl enable --now openvswitch-switch"],
            Self::Fedora => &["systemctl enable --now openvswitch"],
            Self::Alpine => &[
                "rc-update add ovs-modules",
                "rc-update add ovsdb-server",
                "rc-update add ovs-vswitchd",
                "rc-service ovs-vswitchd start",
            ],
        };
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    /// The line that makes a running Open vSwitch start anew.
    pub fn restart_switch(self) -> String {
        match self {
            Self::Debian => "systemctl restart openvswitch-switch",
            Self::Fedora => "systemctl restart openvswitch",
            Self::Alpine => "rc-service ovs-vswitchd restart",
        }
        .to_owned()
    }
}

/// The shell lines that give a machine what it lacks, each for root; none if nothing can be done.
pub fn cure(survey: &Survey) -> Vec<String> {
    let Some(family) = survey.family else { return Vec::new() };
    let mut packages: Vec<&str> =
        survey.lacks_commands.iter().filter_map(|command| family.package(command)).collect();
    let wants_switch = survey.switch == Switch::Stopped;
    if wants_switch {
        packages.push(OVS[family.column()]);
    }
    packages.sort_unstable();
    packages.dedup();
    let mut lines = Vec::new();
    if !survey.lacks_commands.is_empty() && !packages.is_empty() {
        lines.extend(family.install(&packages));
    }
    match survey.switch {
        // The packages of a kernel that lacks the module would not bring it.
        Switch::Stopped if !survey.lacks_modules.iter().any(|it| it == "openvswitch") => {
            lines.extend(family.start_switch());
        }
        Switch::Deaf => lines.push(family.restart_switch()),
        Switch::Stopped | Switch::Runs => {}
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::ssh::survey::{Root, Wanted};

    fn survey(distribution: &str, commands: &[&str], modules: &[&str], switch: Switch) -> Survey {
        let texts = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Survey {
            system: "Linux".to_owned(),
            machine: "x86_64".to_owned(),
            kernel: "6.12".to_owned(),
            root: Root::Is,
            family: Family::of(distribution),
            has_cgroup2: true,
            lacks_commands: texts(commands),
            lacks_modules: texts(modules),
            switch,
        }
    }

    #[test]
    fn each_command_of_the_demos_has_a_package() {
        for command in Wanted::by_labs().unwrap().commands {
            for family in [Family::Debian, Family::Fedora] {
                assert!(family.package(&command).is_some(), "{command} for {family:?}");
            }
            if command != "hostname" {
                assert!(Family::Alpine.package(&command).is_some(), "{command} for Alpine");
            }
        }
    }

    #[test]
    fn the_vagrantfile_installs_them_all() {
        let vagrantfile = include_str!("../../../../Vagrantfile");
        let words: Vec<_> = vagrantfile.split_whitespace().collect();
        for (command, packages) in PACKAGES {
            let package = packages[Family::Debian.column()].unwrap();
            assert!(words.contains(&package), "{package} with `{command}`");
        }
    }

    #[test]
    fn distributions_are_known_by_themselves_or_by_what_they_are_like() {
        let rows = [
            ("debian ", Some(Family::Debian)),
            ("ubuntu debian", Some(Family::Debian)),
            ("linuxmint ubuntu debian", Some(Family::Debian)),
            ("fedora ", Some(Family::Fedora)),
            ("rocky rhel centos fedora", Some(Family::Fedora)),
            ("alpine ", Some(Family::Alpine)),
            ("arch ", None),
        ];
        for (words, family) in rows {
            assert_eq!(Family::of(words), family, "{words}");
        }
    }

    #[test]
    fn what_is_missing_is_installed_as_each_manual_says() {
        let commands = ["dnsmasq", "ovs-vsctl", "ovs-appctl", "hostname -I"];
        let lines = |distribution| cure(&survey(distribution, &commands, &[], Switch::Stopped));
        assert_eq!(
            lines("ubuntu debian"),
            [
                "apt-get update",
                "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
                 dnsmasq-base hostname openvswitch-switch",
                "systemctl enable --now openvswitch-switch",
            ]
        );
        assert_eq!(
            lines("fedora"),
            ["dnf install -y dnsmasq hostname openvswitch", "systemctl enable --now openvswitch"]
        );
        assert_eq!(
            lines("alpine"),
            [
                "apk add dnsmasq openvswitch",
                "rc-update add ovs-modules",
                "rc-update add ovsdb-server",
                "rc-update add ovs-vswitchd",
                "rc-service ovs-vswitchd start",
            ]
        );
        assert!(lines("arch").is_empty());
    }

    #[test]
    fn a_switch_that_is_there_is_only_started() {
        let lines = |modules: &[&str], switch| cure(&survey("debian", &[], modules, switch));
        let start = ["systemctl enable --now openvswitch-switch"];
        assert_eq!(lines(&[], Switch::Stopped), start);
        assert_eq!(lines(&[], Switch::Deaf), ["systemctl restart openvswitch-switch"]);
        assert!(lines(&[], Switch::Runs).is_empty());
        assert!(lines(&["openvswitch"], Switch::Stopped).is_empty());
    }
}
