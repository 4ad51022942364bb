//! What running QEMU processes cost, as Linux's /proc tells it.

use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::Outcome;

/// The unit of CPU times in /proc/PID/stat: USER_HZ, 100 a second on all of Linux's main
/// architectures.
const TICKS_A_SECOND: f64 = 100.0;

/// Proportional share of the memory of a process, in MB of a million bytes.
pub fn pss(pid: u64) -> Outcome<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim_end().parse()?;
    Ok(kib * 1024.0 / 1e6)
}

/// CPU seconds that a process has used.
fn cpu(pid: u64) -> Outcome<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may have spaces and brackets in it; the fields are counted after it (proc(5)).
    let fields: Vec<_> = text.rsplit_once(')').ok_or("no name")?.1.split_whitespace().collect();
    let ticks = |at: usize| -> Outcome<f64> { Ok(fields.get(at).ok_or("a short line")?.parse()?) };
    let (user, system) = (ticks(11)?, ticks(12)?);
    Ok((user + system) / TICKS_A_SECOND)
}

/// How many cores some processes used together over a time.
#[expect(clippy::disallowed_methods, reason = "the figure is of a while in which nothing happens")]
pub fn cores(pids: &[u64], over: Duration) -> Outcome<f64> {
    let all = || {
        pids.iter().try_fold(0.0, |sum, pid| Ok::<_, Box<dyn std::error::Error>>(sum + cpu(*pid)?))
    };
    let (before, started) = (all()?, Instant::now());
    thread::sleep(over);
    Ok((all()? - before) / started.elapsed().as_secs_f64())
}

/// Whether a process runs; one that has ended and waits for its parent to ask (a zombie) does not.
pub fn lives(pid: u64) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let state = text.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    !matches!(state, Some('Z' | 'X'))
}
