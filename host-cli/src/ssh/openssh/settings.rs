//! What OpenSSH would do to reach a host, as `ssh -G` tells it. The rule: a setting that netlab can't
//! keep to is refused by name, not passed over.

use std::path::{Path, PathBuf};

use super::error::OpenSshError;
use crate::ssh::Address;

/// A setting that netlab can't keep to.
struct Unkept {
    /// As `ssh -G` prints it, in lower case; it is not printed, or is `none`, where it is not set.
    key: &'static str,
    /// As users write it.
    name: &'static str,
    /// The only values that ask for what netlab can't do; any value does if there are none.
    only: &'static [&'static str],
    /// What the user does instead.
    instead: &'static str,
}

/// All of them: passing one over would lead elsewhere, trust a key that is not to be trusted, or log in
/// as is not wanted.
const UNKEPT: [Unkept; 4] = [
    Unkept {
        key: "proxycommand",
        name: "ProxyCommand",
        only: &[],
        instead: "use `ProxyJump` for a way through another host, or open a port with `ssh -L` and \
                  name that",
    },
    Unkept {
        key: "revokedhostkeys",
        name: "RevokedHostKeys",
        only: &[],
        instead: "mark the revoked keys with `@revoked` in a `known_hosts` file, and leave the \
                  setting out for this host",
    },
    Unkept {
        key: "knownhostscommand",
        name: "KnownHostsCommand",
        only: &[],
        instead: "put the keys that it prints into a `known_hosts` file, and leave the setting out \
                  for this host",
    },
    Unkept {
        key: "pubkeyauthentication",
        name: "PubkeyAuthentication",
        only: &["no", "false"],
        instead: "netlab logs in with keys and nothing else: allow them for this host",
    },
];

/// How OpenSSH would reach a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The host as the user names it.
    pub host: String,
    /// The configuration file in place of the user's own, if any.
    pub config: Option<PathBuf>,
    /// Where the server listens.
    pub address: Address,
    /// The user to log in as.
    pub user: String,
    /// The name under which `known_hosts` files have the host's key, as `ssh-keygen -F` takes it.
    pub host_name: String,
    /// Files that may have the host's key.
    pub known_hosts: Vec<PathBuf>,
    /// Whether the user's configuration takes a host that is not known: netlab then pins the key that
    /// it is shown first.
    pub takes_unknown: bool,
    /// Files of private keys, in the order in which they are offered; they need not exist.
    pub identities: Vec<PathBuf>,
    /// Whether only these keys may be offered, and none of the agent's besides.
    pub identities_only: bool,
    /// The agent's socket or pipe: `None` for the usual one, `Some("none")` for no agent.
    pub agent: Option<String>,
    /// The host through which the way leads, as `ssh -J` takes it.
    pub jump: Option<String>,
}

impl Settings {
    /// Reads what `ssh -G` printed for `host`; `home` is the user's folder.
    ///
    /// # Errors
    /// [`OpenSshError::Unsuited`] for a setting that netlab can't keep to,
    /// [`OpenSshError::Unreadable`].
    pub fn read(
        printed: &str,
        host: &str,
        config: Option<&Path>,
        home: &Path,
    ) -> Result<Self, OpenSshError> {
        let values = |key: &str| {
            let key = key.to_owned();
            printed.lines().filter_map(move |line| {
                let (name, value) = line.split_once(' ')?;
                name.eq_ignore_ascii_case(&key).then_some(value.trim())
            })
        };
        // OpenSSH writes `none` for what is not set.
        let value = |key| values(key).find(|value| *value != "none" && !value.is_empty());
        let missing = |key| OpenSshError::Unreadable { host: host.to_owned(), key };
        for Unkept { key, name, only, instead } in UNKEPT {
            if let Some(value) = value(key)
                && (only.is_empty() || only.contains(&value))
            {
                let setting = format!("{name} {value}");
                return Err(OpenSshError::Unsuited { host: host.to_owned(), setting, instead });
            }
        }
        let name = value("hostname").ok_or(missing("hostname"))?.to_owned();
        let port = value("port").and_then(|port| port.parse().ok()).ok_or(missing("port"))?;
        let user = value("user").ok_or(missing("user"))?.to_owned();
        let host_name = match (value("hostkeyalias"), port) {
            (Some(alias), _) => alias.to_owned(),
            (None, PLAIN_PORT) => name.clone(),
            (None, port) => format!("[{name}]:{port}"),
        };
        let tokens = [
            ("%d", home.to_string_lossy()),
            ("%h", name.as_str().into()),
            ("%r", user.as_str().into()),
        ];
        let expand = |text: &str| expand(text, home, &tokens);
        let known_hosts = ["userknownhostsfile", "globalknownhostsfile"]
            .into_iter()
            .filter_map(value)
            .flat_map(files)
            .map(|file| expand(&file))
            .collect();
        Ok(Self {
            host: host.to_owned(),
            config: config.map(Path::to_owned),
            address: Address { host: name.clone(), port },
            host_name,
            known_hosts,
            takes_unknown: matches!(
                value("stricthostkeychecking"),
                Some("no" | "off" | "false" | "accept-new")
            ),
            identities: values("identityfile").filter(|it| *it != "none").map(expand).collect(),
            identities_only: value("identitiesonly").is_some_and(|value| value == "yes"),
            agent: values("identityagent")
                .next()
                .map(|agent| expand(agent).to_string_lossy().into_owned()),
            jump: value("proxyjump").map(str::to_owned),
            user,
        })
    }

    /// What the user types to get in with OpenSSH.
    pub fn command(&self) -> String {
        match &self.config {
            Some(config) => format!("ssh -F {} {}", config.display(), self.host),
            None => format!("ssh {}", self.host),
        }
    }
}

/// Port for which `known_hosts` has names without brackets.
const PLAIN_PORT: u16 = 22;

/// Splits a list of files. OpenSSH prints it without quotes, so a path with a space is told from two
/// paths only by being there.
fn files(list: &str) -> Vec<String> {
    if Path::new(list).exists() {
        return vec![list.to_owned()];
    }
    list.split_whitespace().map(str::to_owned).collect()
}

/// Puts the home folder and the tokens of OpenSSH's paths in. A token that is none of these stays,
/// and the file is not there.
fn expand(text: &str, home: &Path, tokens: &[(&str, std::borrow::Cow<'_, str>)]) -> PathBuf {
    let text =
        tokens.iter().fold(text.to_owned(), |text, (token, value)| text.replace(token, value));
    match text.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Hint as _;

    fn read(printed: &str) -> Result<Settings, OpenSshError> {
        Settings::read(printed, "pi", None, Path::new("/home/ann"))
    }

    #[test]
    fn what_openssh_says_becomes_settings() {
        let printed = "host pi
user ann
hostname pi.lan
port 22
identityfile ~/.ssh/id_ed25519
identityfile %d/keys/%h
identitiesonly no
stricthostkeychecking true
userknownhostsfile /home/ann/.ssh/known_hosts ~/.ssh/known_hosts2
globalknownhostsfile /etc/ssh/ssh_known_hosts
";
        let settings = read(printed).unwrap();
        let paths = |texts: &[&str]| texts.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(settings.address.to_string(), "pi.lan:22");
        assert_eq!(settings.host_name, "pi.lan");
        assert_eq!(
            settings.identities,
            paths(&["/home/ann/.ssh/id_ed25519", "/home/ann/keys/pi.lan"])
        );
        assert_eq!(
            settings.known_hosts,
            paths(&[
                "/home/ann/.ssh/known_hosts",
                "/home/ann/.ssh/known_hosts2",
                "/etc/ssh/ssh_known_hosts"
            ])
        );
        assert!(!settings.takes_unknown && !settings.identities_only);
        assert_eq!((settings.agent, settings.jump), (None, None));
    }

    #[test]
    fn a_host_is_known_by_its_alias_or_with_an_unusual_port() {
        let of = |rest: &str| {
            read(&format!("user u\nhostname h\n{rest}")).map(|settings| settings.host_name).unwrap()
        };
        assert_eq!(of("port 2222\n"), "[h]:2222");
        assert_eq!(of("port 2222\nhostkeyalias vm\n"), "vm");
    }

    #[test]
    fn an_unknown_host_is_taken_only_if_the_user_says_so() {
        for (word, takes) in
            [("true", false), ("ask", false), ("accept-new", true), ("false", true)]
        {
            let printed = format!("user u\nhostname h\nport 22\nstricthostkeychecking {word}\n");
            assert_eq!(read(&printed).unwrap().takes_unknown, takes, "{word}");
        }
    }

    #[test]
    fn what_netlab_can_not_keep_to_is_refused_by_name_and_a_jump_is_not() {
        let base = "user u\nhostname h\nport 22\nproxycommand none\nknownhostscommand none\n\
                    pubkeyauthentication true\n";
        let jump = read(&format!("{base}proxyjump ann@jump:2200\n")).unwrap().jump;
        assert_eq!(jump.as_deref(), Some("ann@jump:2200"));
        assert!(read("user u\nhostname \nport 22\n").is_err());
        let error = read(&format!("{base}proxycommand nc %h %p\n")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "your SSH configuration has `ProxyCommand nc %h %p` for `pi`, which netlab can't keep to"
        );
        assert!(error.hint().contains("`ProxyJump`"));
        let base = "user u\nhostname h\nport 22\n";
        for (line, told) in [
            ("revokedhostkeys /etc/ssh/revoked", "`RevokedHostKeys /etc/ssh/revoked`"),
            ("knownhostscommand /bin/keys %h", "`KnownHostsCommand /bin/keys %h`"),
            ("pubkeyauthentication no", "`PubkeyAuthentication no`"),
            ("pubkeyauthentication false", "`PubkeyAuthentication false`"),
        ] {
            let error = read(&format!("{base}{line}\n")).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
    }
}
