//! OpenSSH's own programs: `ssh -G` for the configuration, `ssh-keygen -F` for known hosts, `ssh -W`
//! for the way through another host.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Output, Stdio};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::error::OpenSshError;
use super::settings::Settings;
use crate::platform::{self, Platform};

/// Asks OpenSSH how it would reach a host.
///
/// # Errors
/// [`OpenSshError`].
pub async fn resolve(host: &str, config: Option<&Path>) -> Result<Settings, OpenSshError> {
    let home = std::env::home_dir().ok_or(OpenSshError::NoHome)?;
    let mut command = ssh(config);
    // Behind `--` a host that begins with a hyphen is no option.
    command.args(["-G", "--", host]);
    let output = run(command, SSH).await?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(OpenSshError::Refused { host: host.to_owned(), words });
    }
    Settings::read(&String::from_utf8_lossy(&output.stdout), host, config, &home)
}

/// Returns the lines that a file of known hosts has for a host, patterns, hashed names and markers
/// included.
pub(super) async fn known_lines(host_name: &str, file: &Path) -> Result<String, OpenSshError> {
    let mut command = program(SSH_KEYGEN);
    command.args(["-F", host_name, "-f"]).arg(file);
    // It ends with 1 if there is none.
    let output = run(command, SSH_KEYGEN).await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A way through another host: an `ssh -W` whose standard streams are the connection. It ends with
/// this value.
pub struct Jump {
    output: ChildStdout,
    input: ChildStdin,
    _ssh: Child,
}

impl Jump {
    /// Opens the way that `settings` name. OpenSSH logs in at the other host by itself, asks
    /// nothing, and says on standard error what keeps it from there.
    ///
    /// # Errors
    /// [`OpenSshError::Missing`].
    pub fn open(settings: &Settings, jump: &str) -> Result<Self, OpenSshError> {
        let mut command = ssh(settings.config.as_deref());
        command.args(jump_words(&settings.address.to_string(), jump));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        // Ctrl-C is for us: what runs there, such as a package manager, may have to go on.
        platform::detach(command.as_std_mut());
        let failed = |source| OpenSshError::Missing { program: SSH, source };
        let mut ssh = command.spawn().map_err(failed)?;
        let no_pipe = || failed(io::ErrorKind::BrokenPipe.into());
        let input = ssh.stdin.take().ok_or_else(no_pipe)?;
        let output = ssh.stdout.take().ok_or_else(no_pipe)?;
        Ok(Self { output, input, _ssh: ssh })
    }
}

/// The words behind `ssh` that lead to `address` through `jump`, the last of its hosts.
fn jump_words(address: &str, jump: &str) -> Vec<String> {
    let (before, last) = match jump.rsplit_once(',') {
        Some((before, last)) => (Some(before), last),
        None => (None, jump),
    };
    let mut words = vec!["-o".to_owned(), "BatchMode=yes".to_owned()];
    words.extend(before.into_iter().flat_map(|before| ["-J".to_owned(), before.to_owned()]));
    let last = if last.starts_with("ssh://") { last.to_owned() } else { format!("ssh://{last}") };
    words.extend(["-W".to_owned(), address.to_owned(), "--".to_owned(), last]);
    words
}

impl AsyncRead for Jump {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(context, buffer)
    }
}

impl AsyncWrite for Jump {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(context)
    }
}

const SSH: &str = "ssh";
const SSH_KEYGEN: &str = "ssh-keygen";

fn ssh(config: Option<&Path>) -> Command {
    let mut command = program(SSH);
    if let Some(config) = config {
        command.arg("-F").arg(config);
    }
    command
}

fn program(name: &str) -> Command {
    let file = PathBuf::from(Platform::HOST.executable(name));
    #[expect(clippy::disallowed_methods, reason = "this module owns OpenSSH's programs")]
    let mut command = Command::new(file);
    command.stdin(Stdio::null());
    command
}

async fn run(mut command: Command, program: &'static str) -> Result<Output, OpenSshError> {
    command.kill_on_drop(true);
    command.output().await.map_err(|source| OpenSshError::Missing { program, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_leads_through_the_last_host_and_to_it_through_the_others() {
        let words = |jump| jump_words("h:22", jump).join(" ");
        assert_eq!(words("ann@jump:2200"), "-o BatchMode=yes -W h:22 -- ssh://ann@jump:2200");
        assert_eq!(words("one,two"), "-o BatchMode=yes -J one -W h:22 -- ssh://two");
        assert_eq!(words("ssh://two"), "-o BatchMode=yes -W h:22 -- ssh://two");
    }

    #[tokio::test]
    async fn a_host_that_openssh_does_not_take_is_refused_in_its_words() {
        let error = resolve("-oProxyCommand=reboot", None).await.unwrap_err();
        assert!(matches!(error, OpenSshError::Refused { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_configuration_file_is_read_by_openssh_itself() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config file");
        std::fs::write(&config, "Host p*\n  HostName 192.0.2.7\n  Port 2200\n  User ann\n")
            .unwrap();
        let settings = resolve("pi", Some(&config)).await.unwrap();
        assert_eq!(settings.address.to_string(), "192.0.2.7:2200");
        assert_eq!(settings.user, "ann");
        assert_eq!(settings.command(), format!("ssh -F {} pi", config.display()));
    }
}
