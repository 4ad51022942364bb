//! The renderer for people: results to standard output, the way there to standard error.
//! `page` lays out, `step`, `verdict` and `summary` say what is on it, `progress` tells of a start.

mod command;
mod download;
mod escape;
mod group;
mod output;
mod page;
mod progress;
mod step;
mod style;
mod summary;
mod surroundings;
mod units;
mod verdict;

use std::io::{self, Write};
use std::time::Instant;

use netlab_protocol::{Event as GuestEvent, Topology};

#[cfg(test)]
pub(in crate::report) use self::escape::assert_harmless;
use self::page::Page;
use self::progress::Progress;
use self::step::StepView;
use self::summary::FailedStep;
pub use self::surroundings::Terminal;
pub use self::units::{size, time};
use super::{Event, LabSummary, Renderer, StepPlace, StepSummary, diagram};
use crate::instance::Name;
use crate::provider::Tier;

/// Makes what a guest or a file says fit to be shown: one line of bytes becomes text without
/// control characters and escape sequences.
pub fn harmless(line: &[u8]) -> String {
    escape::harmless(line, false)
}

/// Shows a run to a person.
pub struct TerminalRenderer {
    stdout: Box<dyn Write + Send>,
    progress: Progress,
    terminal: Terminal,
    page: Page,
    instance: String,
    /// How many steps the lab shows.
    steps: u32,
    step: Option<StepView>,
    failed: Vec<FailedStep>,
    /// How far into a line standard output stands; that of a quiet step is ended with the step.
    open_line: Option<usize>,
    /// Whether the line above tells of a quiet step.
    quiet_above: bool,
}

impl TerminalRenderer {
    /// Shows results on `stdout` and the way there on `stderr`, as `terminal` can.
    pub fn new(
        terminal: Terminal,
        stdout: Box<dyn Write + Send>,
        stderr: Box<dyn Write + Send>,
    ) -> Self {
        let page = Page::new(&terminal, &[], Name::DEFAULT);
        let dot = page.symbols.dot;
        Self {
            stdout,
            progress: Progress::new(stderr, terminal.redraw, terminal.columns, dot),
            terminal,
            page,
            instance: Name::DEFAULT.to_owned(),
            steps: 0,
            step: None,
            failed: Vec::new(),
            open_line: None,
            quiet_above: false,
        }
    }

    fn write(&mut self, lines: &[String]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.end_line()?;
        for line in lines {
            writeln!(self.stdout, "{line}")?;
        }
        self.stdout.flush()
    }

    fn end_line(&mut self) -> io::Result<()> {
        if self.open_line.take().is_some() {
            writeln!(self.stdout)?;
        }
        Ok(())
    }

    fn lab_started(&mut self, title: &str, summary: &str, namespaces: &[String]) -> io::Result<()> {
        self.progress.clear();
        self.page = Page::new(&self.terminal, namespaces, &self.instance);
        self.failed.clear();
        let palette = &self.page.palette;
        let mut lines = vec![String::new()];
        lines.extend(self.page.hanging("", 0, title, |line| palette.strong(line)));
        lines.extend(self.page.paragraph(0, summary));
        lines.push(String::new());
        self.write(&lines)
    }

    fn step_started(&mut self, place: StepPlace, title: &str, why: &str) -> io::Result<()> {
        self.step = Some(StepView::new(place));
        if place.quiet {
            let (line, used) = step::quiet_start(&self.page, place, self.steps, title);
            self.end_line()?;
            write!(self.stdout, "{line}")?;
            self.open_line = Some(used);
            return self.stdout.flush();
        }
        let mut lines = step::heading(&self.page, place, self.steps, title, why);
        if std::mem::take(&mut self.quiet_above) {
            lines.insert(0, String::new());
        }
        self.write(&lines)
    }

    fn guest(&mut self, event: &GuestEvent) -> io::Result<()> {
        let Some(step) = &mut self.step else {
            return Ok(());
        };
        let lines = step.event(&self.page, event);
        self.write(&lines)
    }

    fn step_ended(&mut self, summary: &StepSummary) -> io::Result<()> {
        let Some(mut step) = self.step.take() else {
            return Ok(());
        };
        let lines = step.end(&self.page, summary);
        if step.place.quiet {
            let used = self.open_line.take().unwrap_or(0);
            for line in step::quiet_end(&self.page, summary, used) {
                writeln!(self.stdout, "{line}")?;
            }
            self.quiet_above = true;
        }
        if !summary.passed {
            let (place, title) = (summary.step, summary.title.clone());
            self.failed.push(FailedStep { place, title, what: step.failed });
        }
        self.write(&lines)
    }

    fn lab_ended(&mut self, summary: &LabSummary, topology: Option<&Topology>) -> io::Result<()> {
        let mut lines = Vec::new();
        if let Some(topology) = topology {
            let drawn = diagram::draw(topology, self.page.columns, self.terminal.unicode);
            let paint = |line: &diagram::Line| {
                let paint = |span: &diagram::Span| match &span.place {
                    Some(place) => self.page.palette.place(place, &span.text),
                    None => span.text.clone(),
                };
                line.iter().map(paint).collect::<String>()
            };
            lines.extend(drawn.iter().map(paint));
            lines.push(String::new());
        }
        lines.extend(summary::lines(&self.page, summary, self.steps, &self.failed));
        self.write(&lines)
    }
}

impl Renderer for TerminalRenderer {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let now = Instant::now();
        match event {
            Event::PhaseStarted { phase } => self.progress.phase_started(*phase, now),
            Event::PhaseDone { phase, since_start } => {
                self.progress.phase_done(*phase, *since_start)
            }
            Event::Download { done, total, files_done, files } => {
                self.progress.download([*done, *total], [*files_done, *files], now)
            }
            Event::ImageStage { stage } => self.progress.stage(stage, now),
            Event::Note { text } => {
                self.end_line()?;
                self.progress.note(&harmless(text.as_bytes()))
            }
            Event::GuestReady { name, attached, accelerator, tier, address, took, .. } => {
                self.instance.clone_from(name);
                let dot = self.page.symbols.dot;
                let took = time(*took);
                let came = if *attached { "was up, reached in" } else { "up in" };
                let line = match (accelerator, tier.map(Tier::name)) {
                    (Some(accelerator), Some(tier)) => {
                        format!("guest {came} {took} ({accelerator}, {tier}) {dot} {address}")
                    }
                    _ => format!("machine reached in {took} {dot} {address}"),
                };
                self.progress.ready(&line)
            }
            Event::GroupProgress { up, starting, failed, total, since_start } => {
                let line = group::progress(*up, *starting, *failed, *total);
                self.progress.group(&line, *since_start, now)
            }
            // The line of progress counts it, and the table says the rest.
            Event::Member { .. } => Ok(()),
            Event::GroupEnded { members, took } => {
                self.progress.ready(&group::ended(members, *took))?;
                self.write(&group::table(members))
            }
            Event::LabStarted { title, summary, steps, namespaces, .. } => {
                self.steps = *steps;
                self.lab_started(title, summary, namespaces)
            }
            Event::StepStarted { step, title, why } => self.step_started(*step, title, why),
            Event::Guest { event, .. } => self.guest(event),
            Event::StepEnded { summary } => self.step_ended(summary),
            Event::LabEnded { summary, topology } => self.lab_ended(summary, topology.as_ref()),
            Event::Failed { .. } => {
                self.progress.clear();
                self.end_line()?;
                self.stdout.flush()
            }
        }
    }
}

#[cfg(test)]
mod tests;
