//! The way to a guest that is up, on standard error: on a terminal one live line with phase and
//! time, in a pipe one line for each phase that is over. The first word comes with the first event.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::download::Meter;
use super::units;
use crate::report::Phase;

/// Time between two redraws: often enough that a tenth of a second is seen to pass.
const TICK: Duration = Duration::from_millis(100);

/// Time between two lines about a download in a pipe.
const DOWNLOAD_LINES: Duration = Duration::from_secs(5);

/// Time between two lines about a group in a pipe.
const GROUP_LINES: Duration = Duration::from_secs(5);

/// Columns of a phase's name in a pipe: `network` is the longest.
const PHASE: usize = 8;

/// Tells how a start is coming along.
pub(super) struct Progress {
    stderr: Box<dyn Write + Send>,
    mode: Mode,
    started: Option<Instant>,
    meter: Option<Meter>,
    columns: usize,
    separator: &'static str,
}

enum Mode {
    /// One line that is redrawn; none while nothing goes on.
    Live(Option<ProgressBar>),
    /// A line for what is over. When the last ones about a download and a group were written.
    Lines { last_download: Option<Instant>, last_group: Option<Instant> },
}

impl Progress {
    /// Writes lines to `stderr`, or redraws one on the terminal behind it if it can be `redrawn`.
    pub(super) fn new(
        stderr: Box<dyn Write + Send>,
        redrawn: bool,
        columns: usize,
        separator: &'static str,
    ) -> Self {
        let mode = if redrawn {
            Mode::Live(None)
        } else {
            Mode::Lines { last_download: None, last_group: None }
        };
        Self { stderr, mode, started: None, meter: None, columns, separator }
    }

    /// A phase begins.
    pub(super) fn phase_started(&mut self, phase: Phase, now: Instant) -> io::Result<()> {
        let first = self.started.is_none();
        // A guest that runs is only connected to: then this is the first phase.
        let doing = if first && phase == Phase::Ssh {
            "connecting to the guest"
        } else {
            "starting the guest"
        };
        self.started.get_or_insert(now);
        match &self.mode {
            Mode::Live(_) => {
                self.live(now, &format!("{doing}: {}", phase.name()));
                Ok(())
            }
            Mode::Lines { .. } if first => writeln!(self.stderr, "{doing}"),
            Mode::Lines { .. } => Ok(()),
        }
    }

    /// A phase is over, so long after the start.
    pub(super) fn phase_done(&mut self, phase: Phase, since_start: Duration) -> io::Result<()> {
        self.meter = None;
        match &self.mode {
            Mode::Live(_) => {
                self.clear();
                Ok(())
            }
            Mode::Lines { .. } => {
                let seconds = since_start.as_secs_f64();
                writeln!(self.stderr, "{:<PHASE$} {seconds:>6.2} s", phase.name())
            }
        }
    }

    /// Packages of the image are coming in.
    pub(super) fn download(
        &mut self,
        bytes: [u64; 2],
        files: [u64; 2],
        now: Instant,
    ) -> io::Result<()> {
        let [done, total] = bytes;
        let meter = self.meter.get_or_insert_with(|| Meter::new(now, done));
        let text = meter.line(done, total, now);
        match &mut self.mode {
            Mode::Live(_) => {
                self.live(now, &text);
                Ok(())
            }
            Mode::Lines { last_download, .. } => {
                let due = last_download.is_none_or(|last| now - last >= DOWNLOAD_LINES);
                if due || done >= total {
                    *last_download = Some(now);
                    let [files_done, files] = files;
                    return writeln!(self.stderr, "{text}, {files_done} of {files} files");
                }
                Ok(())
            }
        }
    }

    /// The image builder begins a stage.
    pub(super) fn stage(&mut self, stage: &str, now: Instant) -> io::Result<()> {
        self.meter = None;
        match &self.mode {
            Mode::Live(_) => {
                self.live(now, &format!("image: {stage}"));
                Ok(())
            }
            Mode::Lines { .. } => writeln!(self.stderr, "image: {stage}"),
        }
    }

    /// A group of guests is so far, so long after its start.
    pub(super) fn group(
        &mut self,
        text: &str,
        since_start: Duration,
        now: Instant,
    ) -> io::Result<()> {
        self.meter = None;
        self.started.get_or_insert(now);
        match &mut self.mode {
            Mode::Live(_) => {
                self.live(now, text);
                Ok(())
            }
            Mode::Lines { last_group, .. } => {
                if last_group.is_some_and(|last| now - last < GROUP_LINES) {
                    return Ok(());
                }
                *last_group = Some(now);
                writeln!(self.stderr, "{text} {} {}", self.separator, units::time(since_start))
            }
        }
    }

    /// Something to know, on a line that stays.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        let stderr = &mut self.stderr;
        let mut write = || writeln!(stderr, "{text}");
        match &self.mode {
            Mode::Live(Some(bar)) => bar.suspend(write),
            Mode::Live(None) | Mode::Lines { .. } => write(),
        }
    }

    /// The guest, or the group, is up.
    pub(super) fn ready(&mut self, text: &str) -> io::Result<()> {
        self.clear();
        self.started = None;
        writeln!(self.stderr, "{text}")
    }

    /// Takes the live line away.
    pub(super) fn clear(&mut self) {
        if let Mode::Live(bar) = &mut self.mode
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
    }

    fn live(&mut self, now: Instant, text: &str) {
        let separator = self.separator;
        let elapsed = self.started.map_or(Duration::ZERO, |started| now - started);
        // The time and what is around it; a line that wraps can't be redrawn.
        let room = self.columns.saturating_sub(16);
        let text: String = text.chars().take(room).collect();
        if let Mode::Live(bar) = &mut self.mode {
            let bar = bar.get_or_insert_with(|| {
                let target = ProgressDrawTarget::stderr();
                let bar = ProgressBar::with_draw_target(None, target).with_elapsed(elapsed);
                bar.set_style(style(separator));
                bar.enable_steady_tick(TICK);
                bar
            });
            bar.set_message(text);
            bar.tick();
        }
    }
}

impl Drop for Progress {
    /// Whatever ends the run, the error message must not share a line with a spinner.
    fn drop(&mut self) {
        self.clear();
    }
}

fn style(separator: &'static str) -> ProgressStyle {
    let time = |state: &ProgressState, line: &mut dyn std::fmt::Write| {
        // A line that can't be formatted is a line not redrawn; the next tick is near.
        let _ = line.write_str(&units::time(state.elapsed()));
    };
    ProgressStyle::with_template(&format!("{{spinner}} {{msg}} {separator} {{time}}"))
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .tick_chars("|/-\\ ")
        .with_key("time", time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::Written;

    #[test]
    fn in_a_pipe_each_phase_is_one_line_and_a_download_one_in_five_seconds() {
        let written = Written::default();
        let mut progress = Progress::new(Box::new(written.clone()), false, 80, "-");
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        progress.phase_started(Phase::Image, at(0)).unwrap();
        for second in 0..=12 {
            let done = second * 2_000_000;
            progress.download([done, 24_000_000], [second, 12], at(second * 1000)).unwrap();
        }
        progress.stage("unpacking packages", at(12_000)).unwrap();
        progress.phase_done(Phase::Image, Duration::from_millis(14_230)).unwrap();
        progress.note("no KVM here: the guest is emulated, which is slower").unwrap();
        progress.phase_started(Phase::Kernel, at(14_300)).unwrap();
        progress.phase_done(Phase::Kernel, Duration::from_millis(15_650)).unwrap();
        progress.ready("guest up in 16.0 s").unwrap();
        assert_eq!(
            written.text(),
            "starting the guest\n\
             downloading 0 B of 24.0 MB, 0 of 12 files\n\
             downloading 10.0 MB of 24.0 MB, 2.0 MB/s, 7.0 s left, 5 of 12 files\n\
             downloading 20.0 MB of 24.0 MB, 2.0 MB/s, 2.0 s left, 10 of 12 files\n\
             downloading 24.0 MB of 24.0 MB, 2.0 MB/s, 12 of 12 files\n\
             image: unpacking packages\n\
             image     14.23 s\n\
             no KVM here: the guest is emulated, which is slower\n\
             kernel    15.65 s\n\
             guest up in 16.0 s\n"
        );
    }
}
