//! passwd, group and shadow: base-passwd's masters and the recipe's accounts.
//!
//! No account has a password, root included: the guest is entered with keys.

use std::sync::Arc;

use super::error::RootError;
use super::tree::{Node, Tree};
use crate::recipe::Account;

const PASSWD_MASTER: &str = "usr/share/base-passwd/passwd.master";
const GROUP_MASTER: &str = "usr/share/base-passwd/group.master";

/// Root's line. The master says /bin/bash as well, but with a password field of `*`, which says
/// the same as the `x` here only to those who do not look at shadow.
const ROOT: &str = "root:x:0:0:root:/root:/bin/bash";

/// Writes the three files.
pub fn add(tree: &mut Tree, accounts: &[Account]) -> Result<(), RootError> {
    let master = |path: &str| {
        tree.file(path)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .ok_or_else(|| RootError::Lacking { path: path.to_owned() })
    };
    let passwd: Vec<String> = master(PASSWD_MASTER)?
        .lines()
        .map(|line| if line.starts_with("root:") { ROOT } else { line }.to_owned())
        .chain(accounts.iter().map(|account| {
            let Account { name, id, home, shell } = account;
            format!("{name}:x:{id}:{id}::{home}:{shell}")
        }))
        .collect();
    let group: Vec<String> = master(GROUP_MASTER)?
        .lines()
        .map(str::to_owned)
        .chain(
            accounts
                .iter()
                .filter(|account| account.id != 0)
                .map(|account| format!("{}:x:{}:", account.name, account.id)),
        )
        .collect();
    // No ages of passwords: there are none, and a date would have to be invented.
    let shadow: Vec<String> = passwd
        .iter()
        .filter_map(|line| line.split(':').next())
        .map(|name| format!("{name}:*:::::::"))
        .collect();
    for (path, mode, lines) in
        [("etc/passwd", 0o644, passwd), ("etc/group", 0o644, group), ("etc/shadow", 0o600, shadow)]
    {
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        tree.insert(path, Node::File { mode, bytes: Arc::from(text.into_bytes()) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_follow_the_masters_and_have_no_password() {
        let mut tree = Tree::default();
        let account = |name: &str, id, home: &str, shell: &str| Account {
            name: name.to_owned(),
            id,
            home: home.to_owned(),
            shell: shell.to_owned(),
        };
        let accounts = [
            account("dnsmasq", 101, "/var/lib/misc", "/usr/sbin/nologin"),
            account("netlab", 0, "/root", "/bin/sh"),
        ];
        assert_eq!(
            add(&mut tree, &accounts).unwrap_err().to_string(),
            format!("no package brings `{PASSWD_MASTER}`, which the recipe builds upon")
        );
        for (path, text) in [
            (
                PASSWD_MASTER,
                "root:*:0:0:root:/root:/bin/bash\nbin:*:2:2:bin:/bin:/usr/sbin/nologin\n",
            ),
            (GROUP_MASTER, "root:*:0:\n"),
        ] {
            tree.insert(path, Node::File { mode: 0o644, bytes: text.as_bytes().into() });
        }
        add(&mut tree, &accounts).unwrap();
        let text = |path| std::str::from_utf8(tree.file(path).unwrap()).unwrap();
        assert_eq!(
            text("etc/passwd"),
            "root:x:0:0:root:/root:/bin/bash\nbin:*:2:2:bin:/bin:/usr/sbin/nologin\n\
             dnsmasq:x:101:101::/var/lib/misc:/usr/sbin/nologin\nnetlab:x:0:0::/root:/bin/sh\n"
        );
        assert_eq!(text("etc/group"), "root:*:0:\ndnsmasq:x:101:\n");
        assert_eq!(
            text("etc/shadow"),
            "root:*:::::::\nbin:*:::::::\ndnsmasq:*:::::::\nnetlab:*:::::::\n"
        );
    }
}
