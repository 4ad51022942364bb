//! Commands of a lab: started inside the lab's cgroup, run to their end or to their time limit.
//!
//! What a command leaves running (a daemon) stays in the lab's cgroup and ends with the lab; what
//! is over its limit, or whose step was broken off, is killed with all its children.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use netlab_protocol::{Exit, Place};
use nix::unistd::{setsid, write};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout, timeout_at};

use crate::cgroup::Cgroup;
use crate::error::Error;
use crate::limits;
use crate::output::{Pipes, Tap, pipe};
use crate::values::Values;

/// Where programs are looked for: an SSH server may hand down a `PATH` without `sbin`.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Home of root, in which commands run.
const HOME: &str = "/root";

/// How long a killed process may take to be gone.
pub const KILL_LIMIT: Duration = Duration::from_secs(5);

/// A command that has been started.
#[derive(Debug)]
pub struct Running {
    /// Its first process.
    pub child: Child,
    /// What it prints.
    pub pipes: Pipes,
    /// Where it and all its children live.
    pub cgroup: Cgroup,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub exit: Exit,
    /// How long it ran.
    pub took: Duration,
}

/// Starts a shell command in a place.
///
/// # Errors
/// [`Error::Spawn`] if there is no shell, and what making its pipes may say.
pub fn start(place: &Place, text: &str, values: &Values, cgroup: Cgroup) -> Result<Running, Error> {
    let (stdout, their_stdout) = pipe()?;
    let (stderr, their_stderr) = pipe()?;
    let door = cgroup.door()?;
    let mut command = match place {
        Place::Root => program("/bin/sh"),
        Place::Namespace(name) => {
            let mut command = program("ip");
            command.args(["netns", "exec", name, "/bin/sh"]);
            command
        }
    };
    command.arg("-c").arg(text);
    command.env_clear().env("PATH", PATH).env("HOME", HOME).env("LANG", "C.UTF-8");
    command.env("TERM", "dumb").envs(values.environment());
    command.current_dir(if Path::new(HOME).is_dir() { HOME } else { "/" });
    command.stdin(Stdio::null()).stdout(their_stdout).stderr(their_stderr);
    let enter = move || -> io::Result<()> {
        write(&door, b"0")?;
        limits::run_as_any_other();
        setsid()?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure only makes system calls, `write`, `open` and
    // `setsid`; it neither allocates nor takes a lock.
    #[expect(unsafe_code, reason = "joining the cgroup before exec is what makes it free of races")]
    unsafe {
        command.pre_exec(enter);
    }
    let child = command.spawn().map_err(|source| Error::Spawn {
        command: text.to_owned(),
        place: place.clone(),
        source,
    })?;
    Ok(Running { child, pipes: Pipes::new(stdout, stderr), cgroup })
}

impl Running {
    /// Runs it to its end, at most for `limit`.
    ///
    /// # Errors
    /// What reading its output, or killing it, may say.
    pub async fn finish(mut self, limit: Duration, tap: &mut Tap) -> Result<Ended, Error> {
        let begun = Instant::now();
        let guard = KillOnDrop(Some(&self.cgroup));
        let deadline = begun + limit;
        let waited = timeout_at(deadline, wait(&mut self.child, &mut self.pipes, tap)).await;
        let exit = match waited {
            Ok(status) => how(status?),
            Err(_late) => {
                // Hundreds of processes may take longer to die. That the command was over its limit is
                // what the lab's author has to hear; whatever is left ends with the lab.
                if let Err(error) = self.cgroup.end(KILL_LIMIT).await {
                    error.log();
                }
                Exit::TimedOut
            }
        };
        guard.disarm();
        self.pipes.drain(tap).await?;
        tap.report_dropped().await;
        if self.cgroup.is_populated()? {
            // What it has left running may print for as long as the lab stands.
            self.pipes.leave()?;
        } else {
            self.cgroup.remove()?;
        }
        Ok(Ended { exit, took: begun.elapsed() })
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the agent makes processes")]
fn program(name: &str) -> Command {
    Command::new(name)
}

/// Waits for the process while its output is forwarded.
async fn wait(child: &mut Child, pipes: &mut Pipes, tap: &mut Tap) -> Result<ExitStatus, Error> {
    loop {
        tokio::select! {
            status = child.wait() => {
                return status.map_err(|source| Error::System { doing: "wait for a command", source });
            }
            forwarded = pipes.forward_next(tap) => forwarded?,
        }
    }
}

/// Runs a shell command for a check: nothing of it is forwarded.
///
/// # Errors
/// As [`start`] and [`Running::finish`].
pub async fn capture(
    place: &Place,
    text: &str,
    values: &Values,
    cgroup: Cgroup,
    limit: Duration,
) -> Result<(Exit, Vec<u8>), Error> {
    let mut tap = Tap::silent(place);
    let ended = start(place, text, values, cgroup)?.finish(limit, &mut tap).await?;
    Ok((ended.exit, tap.stdout().to_vec()))
}

/// Runs a program of the guest for the agent itself, outside the lab's cgroup, and returns what
/// it printed.
///
/// # Errors
/// [`Error::Helper`] with its last words if it fails or is not done within `limit`.
pub async fn help(program: &str, arguments: &[&str], limit: Duration) -> Result<String, Error> {
    let line = std::iter::once(&program).chain(arguments).copied().collect::<Vec<_>>().join(" ");
    let failed = |problem: String| Error::Helper { command: line.clone(), problem };
    let (stdout, their_stdout) = pipe()?;
    let (stderr, their_stderr) = pipe()?;
    let mut command = self::program(program);
    command.args(arguments).env("PATH", PATH).current_dir("/");
    command.stdin(Stdio::null()).stdout(their_stdout).stderr(their_stderr);
    command.process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    drop(command);
    let mut pipes = Pipes::new(stdout, stderr);
    let mut tap = Tap::silent(&Place::Root);
    let status = timeout(limit, wait(&mut child, &mut pipes, &mut tap)).await;
    let status =
        status.map_err(|_| failed(format!("it did not end in {} s", limit.as_secs())))??;
    pipes.drain(&mut tap).await?;
    if status.success() {
        return Ok(String::from_utf8_lossy(tap.stdout()).into_owned());
    }
    Err(failed(format!("{}: {}", how(status), tap.last_words())))
}

/// Starts a process that reads a pipe and throws away what comes, so that whoever writes into it
/// never has to wait for a reader. It outlives the agent and ends with the last writer.
///
/// # Errors
/// [`Error::Helper`] if it can't be started.
pub fn drain(pipe: OwnedFd) -> Result<(), Error> {
    let mut command = program("cat");
    command.env("PATH", PATH).current_dir("/");
    // Nothing of the agent's own connection: the host waits until all of that is closed.
    command.stdin(pipe).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let failed =
        |error: io::Error| Error::Helper { command: "cat".to_owned(), problem: error.to_string() };
    command.spawn().map(drop).map_err(failed)
}

/// Says how a process ended. A status is either a code or a signal; waiting reports no stops.
pub fn how(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Code(status.into_raw()),
    }
}

/// Kills a command whose step is broken off, which drops the future that waits for it.
struct KillOnDrop<'a>(Option<&'a Cgroup>);

impl KillOnDrop<'_> {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for KillOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.map(Cgroup::kill) {
            error.log();
        }
    }
}
