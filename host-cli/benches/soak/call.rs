//! One call of netlab, watched: what it says, how long it takes, how much memory it has at most, and
//! what is done to it at some moment.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::world::World;
use crate::{Outcome, interrupt, process};

/// No verb takes that long, even where each processor has ten times the work that it can do.
const STANDS_STILL: Duration = Duration::from_secs(400);

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What came of it.
#[derive(Debug, Clone)]
pub struct Ended {
    /// What was typed.
    pub words: String,
    /// Exit code, `None` if it died by a signal.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub text: String,
    pub errors: String,
    pub took: Duration,
    /// The most memory that it had, in KiB.
    pub peak: u64,
}

/// Something to do while it runs: at which moment, and what, given its process id.
pub struct Meanwhile<'a> {
    pub at: Duration,
    pub act: Box<dyn FnOnce(u32) + Send + 'a>,
}

/// Runs a command to its end. When the run is cut short the command gets its Ctrl-C, and this fails: what
/// came of it says nothing.
pub fn run(
    world: &World,
    mut command: Command,
    words: &str,
    mut meanwhile: Option<Meanwhile>,
) -> Outcome<Ended> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    interrupt::check()?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    // Files, since a full pipe would hold it up.
    let paths = ["out", "err"].map(|kind| world.root().join(format!("{number}.{kind}")));
    let begun = Instant::now();
    let mut child =
        command.stdout(File::create(&paths[0])?).stderr(File::create(&paths[1])?).spawn()?;
    let (mut peak, mut is_told) = (0, false);
    let status = loop {
        peak = peak.max(process::kib(child.id(), "status", "VmHWM").unwrap_or_default());
        if let Some(status) = child.try_wait()? {
            break status;
        }
        match meanwhile.take() {
            Some(Meanwhile { at, act }) if begun.elapsed() >= at => act(child.id()),
            later => meanwhile = later,
        }
        if interrupt::came() && !is_told {
            is_told = true;
            kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT)?;
        }
        if begun.elapsed() >= STANDS_STILL {
            child.kill()?;
        }
        rest(LOOK_EVERY);
    };
    let [text, errors] = paths.each_ref().map(|path| {
        let bytes = fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    for path in paths {
        fs::remove_file(path)?;
    }
    interrupt::check()?;
    let (code, signal, took) = (status.code(), status.signal(), begun.elapsed());
    Ok(Ended { words: words.to_owned(), code, signal, text, errors, took, peak })
}

/// Lets some time pass.
#[expect(
    clippy::disallowed_methods,
    reason = "processes of others are watched, at moments of ours"
)]
pub fn rest(time: Duration) {
    std::thread::sleep(time);
}
