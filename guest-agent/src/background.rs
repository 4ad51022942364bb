//! Background commands: named, owned by the lab, ready by a sign and not by a pause.
//!
//! Readiness is looked up in the kernel's tables, never tried with a connection, which would use
//! up a server that takes only one.

use std::path::Path;
use std::time::Duration;

use netlab_protocol::plan::{Background as Planned, Ready};
use netlab_protocol::{Exit, Failure, Place};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::cgroup::Cgroup;
use crate::error::Error;
use crate::exec::{self, KILL_LIMIT, Running};
use crate::netns;
use crate::output::Tap;
use crate::probe::listens::{self, Socket};
use crate::process;
use crate::values::Values;
use crate::wire::Outbox;

/// How often a sign of readiness is looked for.
const POLL: Duration = Duration::from_millis(10);

/// A background command of the lab.
#[derive(Debug)]
pub struct Background {
    /// Where it runs.
    pub place: Place,
    /// The process that does the work.
    pub pid: u32,
    cgroup: Cgroup,
    state: watch::Receiver<State>,
    /// Dropped, it makes the watcher leave the command to itself.
    leave: oneshot::Sender<()>,
    watcher: JoinHandle<Result<(), Error>>,
}

/// What is known of a background command while it runs.
#[derive(Debug, Clone, Default)]
struct State {
    exit: Option<Exit>,
    last_words: String,
    has_logged: bool,
}

impl Background {
    /// Starts a command and waits until it is ready.
    ///
    /// # Errors
    /// [`Failure::Background`] if it ends or its deadline passes before it is; it is killed then.
    pub async fn start(
        planned: &Planned,
        values: &Values,
        cgroup: Cgroup,
        outbox: &Outbox,
    ) -> Result<Self, Failure> {
        let running = exec::start(&planned.place, &planned.text, values, cgroup.clone())?;
        // A child that was not waited for has an id.
        let first = running.child.id().unwrap_or_default();
        let mut tap = Tap::forwarding(outbox, &planned.place, Some(&planned.name));
        if let Ready::Log(text) = &planned.ready {
            tap = tap.looking_for(text);
        }
        let (report, state) = watch::channel(State::default());
        let (leave, left) = oneshot::channel();
        let watcher = tokio::spawn(watch_over(running, tap, report, left));
        let place = planned.place.clone();
        let mut background = Self { place, pid: first, cgroup, state, leave, watcher };
        match background.wait(planned, first).await {
            Ok(()) => Ok(background),
            Err(failure) => {
                background.stop().await?;
                Err(failure)
            }
        }
    }

    /// Ends it with all its children.
    ///
    /// # Errors
    /// [`Error::Alive`] if it does not die.
    pub async fn stop(self) -> Result<(), Error> {
        self.cgroup.end(KILL_LIMIT).await?;
        self.watcher.abort();
        self.cgroup.remove()
    }

    /// Lets it go on without the agent: what it prints is read and thrown away from now on.
    ///
    /// # Errors
    /// [`Error::Helper`] or [`Error::System`] if nobody can be found to read it.
    pub async fn leave(self) -> Result<(), Error> {
        drop(self.leave);
        self.watcher.await.map_err(|stopped| Error::System {
            doing: "leave a background command running",
            source: stopped.into(),
        })?
    }

    /// Says whether any process of it still runs.
    ///
    /// # Errors
    /// [`Error::File`] if its cgroup can't be read.
    pub fn is_running(&self) -> Result<bool, Error> {
        self.cgroup.is_populated()
    }

    /// Says how it has ended, in words, if none of its processes runs any more.
    ///
    /// # Errors
    /// [`Error::File`] if its cgroup can't be read.
    pub fn end(&self) -> Result<Option<String>, Error> {
        if self.is_running()? {
            return Ok(None);
        }
        let State { exit, last_words, .. } = self.state.borrow().clone();
        let how = match exit {
            // One that put itself into the background has told nobody how it ended.
            Some(Exit::Code(0)) | None => "has ended".to_owned(),
            Some(exit) => format!("has ended, {exit}"),
        };
        Ok(Some(if last_words.is_empty() { how } else { format!("{how}: {last_words}") }))
    }

    async fn wait(&mut self, planned: &Planned, first: u32) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_millis(planned.within_ms);
        let failed = |problem: String| Failure::Background {
            line: planned.line,
            place: planned.place.clone(),
            name: planned.name.clone(),
            text: planned.text.clone(),
            problem,
        };
        loop {
            let state = self.state.borrow_and_update().clone();
            if let Some(exit) = state.exit {
                // A command that puts itself into the background ends well and goes on.
                if exit != Exit::Code(0) || !self.cgroup.is_populated()? {
                    return Err(failed(early_end(exit, &state.last_words)));
                }
            }
            let pid = process::worker(first, &process::read_all(&self.cgroup.pids()?));
            let is_there =
                pid.and_then(netns::inode_of_process) == Some(netns::inode(&self.place)?);
            if let Some(pid) = pid.filter(|_| is_there) {
                self.pid = pid;
                if is_ready(&planned.place, &planned.ready, state.has_logged).await? {
                    return Ok(());
                }
            }
            if Instant::now() >= deadline {
                return Err(failed(late(planned, &state.last_words)));
            }
            tokio::select! {
                () = sleep(POLL) => {}
                _ended = self.state.changed(), if state.exit.is_none() => {}
            }
        }
    }
}

/// Forwards what the command, and what it leaves running, print until all of it is over, or until
/// the command is left to itself.
async fn watch_over(
    mut running: Running,
    mut tap: Tap,
    report: watch::Sender<State>,
    mut left: oneshot::Receiver<()>,
) -> Result<(), Error> {
    let mut exit = None;
    while exit.is_none() || running.pipes.are_open() {
        let forwarded = tokio::select! {
            status = running.child.wait(), if exit.is_none() => {
                exit = Some(status.map_or(Exit::Code(-1), exec::how));
                running.pipes.drain(&mut tap).await
            }
            _ended = &mut left => return running.pipes.leave(),
            forwarded = running.pipes.forward_next(&mut tap) => forwarded,
        };
        if let Err(error) = forwarded {
            error.log();
            return Ok(());
        }
        report.send_modify(|state| {
            state.has_logged = tap.has_found();
            state.last_words = tap.last_words();
            state.exit = exit;
        });
        if exit.is_some() {
            tap.report_dropped().await;
        }
    }
    Ok(())
}

async fn is_ready(place: &Place, ready: &Ready, has_logged: bool) -> Result<bool, Error> {
    match ready {
        Ready::Tcp(port) => listens::is_bound(place, Socket::Tcp(*port)).await,
        Ready::Udp(port) => listens::is_bound(place, Socket::Udp(*port)).await,
        Ready::File(path) => {
            Ok(Path::new(path).metadata().is_ok_and(|metadata| metadata.len() > 0))
        }
        Ready::Log(_) => Ok(has_logged),
    }
}

fn sign(ready: &Ready) -> String {
    match ready {
        Ready::Tcp(port) => format!("a TCP socket listening on port {port}"),
        Ready::Udp(port) => format!("a UDP socket bound to port {port}"),
        Ready::File(path) => format!("the file `{path}`"),
        Ready::Log(text) => format!("a line with `{text}`"),
    }
}

fn early_end(exit: Exit, last_words: &str) -> String {
    let ended = format!("ended before it was ready, {exit}");
    if last_words.is_empty() { ended } else { format!("{ended}: {last_words}") }
}

fn late(planned: &Planned, last_words: &str) -> String {
    let seconds = planned.within_ms as f64 / 1000.0;
    let late = format!("was not ready in {seconds} s: no sign of {}", sign(&planned.ready));
    if last_words.is_empty() { late } else { format!("{late}; it printed: {last_words}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(ready: Ready) -> Planned {
        Planned {
            line: 1,
            name: "server".to_owned(),
            place: Place::Root,
            text: "nc -lk 4000".to_owned(),
            ready,
            within_ms: 1500,
        }
    }

    #[test]
    fn an_unready_command_says_which_sign_was_missed_and_what_it_printed() {
        for (ready, last_words, problem) in [
            (
                Ready::Tcp(4000),
                "",
                "was not ready in 1.5 s: no sign of a TCP socket listening on port 4000",
            ),
            (
                Ready::Log("listening".to_owned()),
                "bind: in use",
                "was not ready in 1.5 s: no sign of a line with `listening`; it printed: \
                 bind: in use",
            ),
        ] {
            assert_eq!(late(&planned(ready), last_words), problem);
        }
    }

    #[test]
    fn an_early_end_says_how_and_with_which_last_words() {
        assert_eq!(
            early_end(Exit::Code(2), "bad option"),
            "ended before it was ready, exit status 2: bad option"
        );
        let killed = early_end(Exit::Signal(9), "");
        assert_eq!(killed, "ended before it was ready, killed by signal 9");
    }
}
