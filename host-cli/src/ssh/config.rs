//! The block that lets a stock OpenSSH client in, and with it `scp`, `sftp`, `rsync` and editors.

use std::fmt::Write as _;
use std::path::Path;

use super::Pinned;
use crate::instance::Name;
use crate::provider::Endpoint;

/// Returns a `Host` block for `~/.ssh/config` or `ssh -F`. The host key is pinned and checked, and
/// only the instance's own key is offered.
pub fn block(endpoint: &Endpoint, keys: &Pinned) -> String {
    let host = match endpoint.name.as_str() {
        Name::DEFAULT => "netlab".to_owned(),
        name => format!("netlab-{name}"),
    };
    let settings = [
        ("HostName", endpoint.address.host.clone()),
        ("Port", endpoint.address.port.to_string()),
        ("User", endpoint.user.clone()),
        ("IdentityFile", quoted(&keys.identity)),
        ("IdentitiesOnly", "yes".to_owned()),
        ("UserKnownHostsFile", quoted(&keys.known_hosts)),
        ("HostKeyAlias", keys.host_alias.clone()),
        ("StrictHostKeyChecking", "yes".to_owned()),
    ];
    let mut block = format!("Host {host}\n");
    for (key, value) in settings {
        // Writing into a string can't fail.
        let _ = writeln!(block, "    {key} {value}");
    }
    block
}

/// Writes a path the way OpenSSH reads it: in quotes, with `%` doubled, since `%h` and the like
/// are replaced, and with forward slashes on Windows, since a backslash escapes.
fn quoted(path: &Path) -> String {
    let mut text = path.display().to_string().replace('%', "%%");
    if std::path::MAIN_SEPARATOR == '\\' {
        text = text.replace('\\', "/");
    }
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::{Address, Login};

    fn block_of(name: &str, folder: &str) -> String {
        let keys = Pinned {
            identity: Path::new(folder).join("id"),
            known_hosts: Path::new(folder).join("known_hosts"),
            host_alias: format!("netlab-{name}"),
        };
        let endpoint = Endpoint {
            name: name.to_owned(),
            address: Address { host: "127.0.0.1".to_owned(), port: 2222 },
            user: "root".to_owned(),
            login: Login::Pinned(keys.clone()),
            architecture: crate::platform::Architecture::HOST,
            accelerator: None,
            tier: None,
            attached: true,
            seen: None,
        };
        block(&endpoint, &keys)
    }

    #[test]
    fn the_block_pins_the_key_and_offers_only_ours() {
        assert_eq!(
            block_of(Name::DEFAULT, "/home/ann/netlab"),
            "Host netlab
    HostName 127.0.0.1
    Port 2222
    User root
    IdentityFile \"/home/ann/netlab/id\"
    IdentitiesOnly yes
    UserKnownHostsFile \"/home/ann/netlab/known_hosts\"
    HostKeyAlias netlab-default
    StrictHostKeyChecking yes
"
        );
    }

    #[test]
    fn another_instance_has_another_name_and_odd_paths_are_quoted() {
        let block = block_of("two", "/home/ann b/100%");
        assert!(block.starts_with("Host netlab-two\n"), "{block}");
        assert!(block.contains("IdentityFile \"/home/ann b/100%%/id\"\n"), "{block}");
    }
}
