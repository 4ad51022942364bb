//! Root's commands for a user who is not root: through `sudo`, which must not ask.

use shlex::Quoter;

/// Runs what comes as its first argument as root, in a shell of its own.
const AS_ROOT: &str = r#"[ "$(id -u)" = 0 ] && exec sh -c "$1"; exec sudo -n -- sh -c "$1""#;

/// Root's login shell.
const SHELL: &str = r#"[ "$(id -u)" = 0 ] && exec "${SHELL:-sh}" -l; exec sudo -n -i"#;

/// Returns the line that runs `line` as root, whoever logs in.
pub fn command(line: &str) -> String {
    quoted(&["exec", "sh", "-c", AS_ROOT, "netlab", line])
}

/// Returns the line that starts root's login shell, whoever logs in.
pub fn shell() -> String {
    quoted(&["exec", "sh", "-c", SHELL])
}

/// Joins words for the login shell, which may be any. A zero byte, the one thing that can't be
/// quoted, would end the line there in any case.
fn quoted(words: &[&str]) -> String {
    Quoter::new().allow_nul(true).join(words.iter().copied()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reaches_the_inner_shell_as_it_is() {
        for line in ["echo 'a b' \"$HOME\"; exit 3", "printf '%s' \"it's\""] {
            #[expect(clippy::disallowed_methods, reason = "the line is tried in a real shell")]
            let mut shell = std::process::Command::new("sh");
            // Without `sudo`, and as root or not: the line must come through either way.
            let sudo = "sudo() { while [ $1 != -- ]; do shift; done; shift; \"$@\"; }; ";
            let plain = std::process::Command::new("sh").args(["-c", line]).output().unwrap();
            let through = command(line).replacen("exec sudo", &format!("{sudo}sudo"), 1);
            let through = shell.args(["-c", &through]).output().unwrap();
            assert_eq!(
                (through.stdout, through.status.code()),
                (plain.stdout, plain.status.code())
            );
        }
    }
}
