//! Puts the agent into the guest and starts it, on one channel and in one round trip: the guest's
//! shell says whether it has this build already, takes the bytes if not, and becomes the agent.

use super::error::SessionError;
use crate::ssh::{Channel, Connection, Piece, SshError};

/// Folder in the guest's memory that holds an agent for each build, by its hash.
const FOLDER: &str = "/run/netlab/bin";

/// The same on a machine of the user's, on disk: most distributions let nothing under `/run` be run.
const LENT_FOLDER: &str = "/var/lib/netlab/bin";

/// What an agent writes there. The lock stays: whoever waits for it has it open, and a new one would be
/// another. It is empty, lies in memory, and goes with the next boot.
const JOURNAL: &str = "/run/netlab/agent.log";

/// Bytes that are sent at once: a few packets of SSH.
const CHUNK_BYTES: usize = 128 * 1024;

/// What the guest's shell answers before it becomes the agent.
const HAVE: &[u8] = b"have\n";
/// The other answer, of the same length.
const NEED: &[u8] = b"need\n";

/// The line behind the agent's bytes. It comes only if they all did, and costs the guest's shell no
/// program to look for, where counting them would start one.
const END: &str = "end";

/// A started agent, and what it has said so far.
pub struct Started {
    /// The channel to it.
    pub channel: Channel,
    /// Bytes of its standard output.
    pub stdout: Vec<u8>,
    /// Bytes of its standard error.
    pub stderr: Vec<u8>,
}

/// Ships the agent, unless the guest has it, and starts it as `serve`.
///
/// # Errors
/// [`SessionError::Ship`] or a lost connection.
pub async fn ship(
    connection: &Connection,
    agent: &[u8],
    hash: &str,
) -> Result<Started, SessionError> {
    let (folder, serve) = match connection.is_lent() {
        true => (LENT_FOLDER, "serve --lent"),
        false => (FOLDER, "serve"),
    };
    let script = script(folder, hash, agent.len(), serve);
    // A user's login shell may be any, the one of a guest's own account for this is `sh`.
    let line = if connection.is_lent() { in_sh(script) } else { script };
    let channel = connection.exec(&line).await?;
    let mut started = Started { channel, stdout: Vec::new(), stderr: Vec::new() };
    let answer = started.answer().await?;
    if answer == NEED {
        for chunk in agent.chunks(CHUNK_BYTES) {
            let sent = started.channel.outgoing.send(chunk.to_vec(), "sending the agent").await;
            if let Err(error) = sent {
                return Err(started.instead_of(error).await);
            }
        }
        started.channel.outgoing.send(format!("{END}\n").into_bytes(), "sending the agent").await?;
    } else if answer != HAVE {
        let problem = format!("its shell answered `{}`", answer.escape_ascii());
        return Err(started.failed(problem));
    }
    Ok(started)
}

/// Removes the agent from a machine of the user's on which no lab stands.
///
/// # Errors
/// [`SessionError::Ship`] if it is still there, or a lost connection.
pub async fn remove(connection: &Connection) -> Result<(), SessionError> {
    let removal = removal(LENT_FOLDER);
    let left = connection.output(&format!("rm -f {JOURNAL}; {removal}")).await?;
    if left.is_empty() {
        return Ok(());
    }
    let problem = format!("it could not be removed from `{LENT_FOLDER}`");
    Err(SessionError::Ship { problem, words: String::new() })
}

impl Started {
    /// Returns the shell's first line, and keeps what comes after it.
    async fn answer(&mut self) -> Result<Vec<u8>, SessionError> {
        while self.stdout.len() < HAVE.len() {
            match self.channel.incoming.next().await {
                Some(Piece::Stdout(bytes)) => self.stdout.extend(bytes),
                Some(Piece::Stderr(bytes)) => self.stderr.extend(bytes),
                Some(Piece::Ended(status)) => {
                    return Err(self.failed(format!("its shell ended with exit status {status}")));
                }
                None => {
                    let seen = "the channel was closed";
                    return Err(self.channel.outgoing.lost("shipping the agent", &seen).into());
                }
            }
        }
        let rest = self.stdout.split_off(HAVE.len());
        Ok(std::mem::replace(&mut self.stdout, rest))
    }

    /// Looks for the guest's own account of a failure that shows here as a closed channel.
    async fn instead_of(mut self, error: SshError) -> SessionError {
        while let Some(piece) = self.channel.incoming.next().await {
            match piece {
                Piece::Stdout(_) => {}
                Piece::Stderr(bytes) => self.stderr.extend(bytes),
                Piece::Ended(status) => {
                    return self.failed(format!("its shell ended with exit status {status}"));
                }
            }
        }
        error.into()
    }

    fn failed(&self, problem: String) -> SessionError {
        let words = String::from_utf8_lossy(&self.stderr).trim().to_owned();
        SessionError::Ship { problem, words }
    }
}

/// Returns the shell line that removes the agents of all builds, whole or in part, from a folder, and
/// prints what of them is still there. The folder and the one around it go if they are empty then:
/// what somebody else has put there stays.
fn removal(folder: &str) -> String {
    // An agent's name is the hash of its build, 64 digits; a part of one has a number behind a dot.
    format!(
        "folder={folder}; for file in $folder/*; do name=${{file##*/}}; name=${{name%%.*}}
case $name in *[!0-9a-f]*) ;; *)
  [ ${{#name}} -ne 64 ] || rm -f \"$file\" || echo \"$file\";;
esac; done
rmdir $folder && rmdir ${{folder%/*}}"
    )
}

/// Returns the script, written for `sh`, which ends as the agent with the words `serve`. The file is
/// moved into place only when it is whole, so a connection that breaks leaves none that a later session
/// would start.
fn script(folder: &str, hash: &str, size: usize, serve: &str) -> String {
    format!(
        "set -eu; umask 077; agent={folder}/{hash}; new=$agent.$$
if [ -x $agent ]; then echo have; else
  echo need; [ -d {folder} ] || mkdir -p {folder}; trap 'rm -f $new' EXIT
  head -c {size} >$new
  read -r end || :; if [ \"$end\" != {END} ]; then echo \"the agent came in part\" >&2; exit 1; fi
  chmod 700 $new; mv $new $agent
fi
exec $agent {serve}"
    )
}

/// Returns the line that has any login shell run a script in `sh`. Our own text has no zero byte, the
/// one thing that can't be quoted.
fn in_sh(script: String) -> String {
    shlex::try_join(["exec", "sh", "-c", &script]).unwrap_or(script)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    /// Runs the script in a shell of this machine.
    fn run(folder: &str, program: &[u8], size: usize) -> (String, String, Option<i32>) {
        let script = script(folder, "cafe", size, "serve");
        #[expect(clippy::disallowed_methods, reason = "the script is tried in a real shell")]
        let mut shell = Command::new("sh");
        let mut shell = shell
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(program).unwrap();
        let output = shell.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code())
    }

    #[test]
    fn the_agent_is_taken_once_and_started_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("bin");
        let folder = folder.to_str().unwrap();
        let program = b"#!/bin/sh\necho \"$1: $(cat)\"\n";
        let mut input = program.to_vec();
        input.extend(b"end\nfirst request");
        let (out, err, status) = run(folder, &input, program.len());
        assert_eq!((out.as_str(), err.as_str()), ("need\nserve: first request\n", ""));
        assert_eq!(status, Some(0));
        let (out, _, _) = run(folder, b"second request", program.len());
        assert_eq!(out, "have\nserve: second request\n");
    }

    #[test]
    fn agents_go_and_what_somebody_else_put_there_stays() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("netlab").join("bin");
        let agent = "0123456789abcdef".repeat(4);
        let run = || {
            #[expect(clippy::disallowed_methods, reason = "the line is tried in a real shell")]
            let mut shell = Command::new("sh");
            let output = shell.args(["-c", &removal(folder.to_str().unwrap())]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
        };
        std::fs::create_dir_all(&folder).unwrap();
        for name in [&agent, &format!("{agent}.123"), "cafe", "notes.txt"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        run();
        let names = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["cafe", "notes.txt"]);
        for name in names {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
        std::fs::write(folder.join(&agent), "").unwrap();
        run();
        assert_eq!(root.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn half_an_agent_is_never_started() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let (out, err, status) = run(path, b"#!/bin/sh\necho ", 100);
        assert_eq!((out.as_str(), err.as_str()), ("need\n", "the agent came in part\n"));
        assert_eq!(status, Some(1));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "the half file is removed");
    }
}
