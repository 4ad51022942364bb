//! A step as it runs: heading and why, commands with their output as it comes, verdicts, time.
//! Events go in, finished lines come out; nothing is written here.

use std::mem;

use netlab_protocol::{Event as GuestEvent, Exit, Place, Verdict, Witness};

use super::output::Output;
use super::page::{MARGIN, Page};
use super::{command, units, verdict};
use unicode_width::UnicodeWidthStr as _;

use crate::report::{StepPlace, StepSummary};

/// Most commands of a step whose output is put together at once, controls that wait for their claim, and
/// failures that are told again at the end: few labs have so many, and a guest that says more fills no memory.
const MOST_KEPT: usize = 64;

/// Most lines that are kept of a quiet step's command, should it fail.
const MOST_WITHHELD: usize = 1000;

/// One step on its way.
pub(super) struct StepView {
    /// Its place in the lab.
    pub(super) place: StepPlace,
    /// What failed in it, a line each, and where one would look.
    pub(super) failed: Vec<(String, Place)>,
    outputs: Vec<Output>,
    controls: Vec<Verdict>,
    last: Block,
    /// Within a counterfactual, commands and verdicts stand together.
    counterfactual: bool,
    /// Of a step told in one line: what would be shown of its current command, should it fail.
    withheld: Vec<String>,
}

/// What the line above belongs to; between two kinds of blocks there is a blank line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Heading,
    Commands,
    Verdicts,
}

impl StepView {
    /// A step that begins.
    pub(super) fn new(place: StepPlace) -> Self {
        Self {
            place,
            failed: Vec::new(),
            outputs: Vec::new(),
            controls: Vec::new(),
            last: Block::Heading,
            counterfactual: false,
            withheld: Vec::new(),
        }
    }

    /// Takes an event of the guest and returns the lines to show now.
    pub(super) fn event(&mut self, page: &Page, event: &GuestEvent) -> Vec<String> {
        if !self.place.quiet {
            return self.lines(page, event);
        }
        // A quiet step shows what went wrong, and the command that led there.
        if matches!(event, GuestEvent::CommandStarted { .. }) {
            self.withheld.clear();
        }
        let lines = self.lines(page, event);
        self.withheld.extend(lines);
        // What went wrong stands at the end.
        let excess = self.withheld.len().saturating_sub(MOST_WITHHELD);
        self.withheld.drain(..excess);
        Vec::new()
    }

    /// Ends the step and returns what is left to show of it.
    pub(super) fn end(&mut self, page: &Page, summary: &StepSummary) -> Vec<String> {
        let mut lines = self.end_outputs(page, |_| true);
        if self.place.quiet {
            if summary.passed {
                return Vec::new();
            }
            let mut withheld = mem::take(&mut self.withheld);
            withheld.append(&mut lines);
            withheld.push(String::new());
            return withheld;
        }
        lines.extend(page.at_right(String::new(), 0, &units::time(summary.took)));
        lines.push(String::new());
        lines
    }

    fn lines(&mut self, page: &Page, event: &GuestEvent) -> Vec<String> {
        let mut lines = Vec::new();
        match event {
            GuestEvent::CommandStarted { place, text, background, .. } => {
                let background = background.as_deref();
                lines.extend(self.block(Block::Commands));
                lines.extend(command::lines(page, place, text, background));
                // A later background of the same name replaces the earlier.
                let same = |output: &Output| output.background.as_deref() == background;
                let ended = self.end_outputs(page, same);
                lines.splice(0..0, ended);
                lines.splice(0..0, self.begin_output(page, place, background));
            }
            GuestEvent::Output { place, background, stream, bytes } => {
                let (output, ended) = self.output(page, place, background.as_deref());
                let whole = output.push(*stream, bytes);
                lines.extend(ended);
                lines.extend(whole.iter().flat_map(|line| page.output(place, line)));
                if !lines.is_empty() {
                    lines.splice(0..0, self.block(Block::Commands));
                }
            }
            GuestEvent::OutputDropped { bytes } => {
                let (ellipsis, size) = (page.symbols.ellipsis, units::size(*bytes));
                lines.extend(page.remark(&format!("{ellipsis} {size} more, thrown away")));
            }
            GuestEvent::CommandEnded { exit, .. } => {
                lines = self.end_outputs(page, |output| output.background.is_none());
                if *exit != Exit::Code(0) {
                    let remark = format!("{exit}, as it should");
                    lines.extend(page.remark(&remark));
                }
            }
            GuestEvent::Kept { name, value } => {
                lines = page.remark(&format!("${name} is {value}"));
            }
            GuestEvent::Checked(verdict) => lines = self.verdict(page, verdict),
            GuestEvent::CounterfactualStarted { title } => {
                self.counterfactual = true;
                let sign = page.symbols.without;
                lines.push(String::new());
                lines.extend(page.signed(sign, &page.palette.without(sign), title));
            }
            GuestEvent::Failed(failure) => {
                lines = self.end_outputs(page, |_| true);
                lines.extend(self.block(Block::Verdicts));
                lines.extend(verdict::failure(page, failure));
                self.note_failure(verdict::summary(failure), place_of(failure));
            }
            GuestEvent::LikelyCauses { causes } => lines = verdict::causes(page, causes),
            GuestEvent::Opened
            | GuestEvent::Served
            | GuestEvent::Held
            | GuestEvent::Attached
            | GuestEvent::StepStarted { .. }
            | GuestEvent::BackgroundReady { .. }
            | GuestEvent::CounterfactualUndone { .. }
            | GuestEvent::StepEnded { .. }
            | GuestEvent::Topology(_)
            | GuestEvent::Closed { .. } => {}
        }
        lines
    }

    fn verdict(&mut self, page: &Page, verdict: &Verdict) -> Vec<String> {
        if verdict.witness == Witness::Control && verdict.passed {
            if self.controls.len() < MOST_KEPT {
                self.controls.push(verdict.clone());
            }
            return Vec::new();
        }
        let mut lines: Vec<String> = self.block(Block::Verdicts).into_iter().collect();
        // A control that failed comes before the claim it should have vouched for.
        let controls = match verdict.witness {
            Witness::Control => Vec::new(),
            Witness::Claim | Witness::Without | Witness::Restored => mem::take(&mut self.controls),
        };
        lines.extend(verdict::lines(page, verdict, &controls));
        if !verdict.passed {
            self.note_failure(verdict.claim.clone(), verdict.place.clone());
        }
        lines
    }

    fn note_failure(&mut self, what: String, place: Place) {
        match self.failed.len() {
            MOST_KEPT => self.failed.push(("more, each told where it failed".to_owned(), place)),
            kept if kept < MOST_KEPT => self.failed.push((what, place)),
            _ => {}
        }
    }

    /// The blank line before a block of another kind.
    fn block(&mut self, block: Block) -> Option<String> {
        let changes = mem::replace(&mut self.last, block) != block;
        (changes && !self.counterfactual).then(String::new)
    }

    /// The output of a running command, and lines to show before it; one that began in an earlier step
    /// begins here anew.
    fn output(
        &mut self,
        page: &Page,
        place: &Place,
        background: Option<&str>,
    ) -> (&mut Output, Vec<String>) {
        let same =
            |output: &Output| output.place == *place && output.background.as_deref() == background;
        let mut ended = Vec::new();
        let found = self.outputs.iter().position(same).unwrap_or_else(|| {
            ended = self.begin_output(page, place, background);
            self.outputs.len() - 1
        });
        (&mut self.outputs[found], ended)
    }

    /// Begins another output. If there are too many, all others end; returns what is left of them.
    fn begin_output(
        &mut self,
        page: &Page,
        place: &Place,
        background: Option<&str>,
    ) -> Vec<String> {
        let crowded = self.outputs.len() >= MOST_KEPT;
        let ended = if crowded { self.end_outputs(page, |_| true) } else { Vec::new() };
        let (place, name) = (place.clone(), background.map(str::to_owned));
        self.outputs.push(Output::new(place, name, page.colour));
        ended
    }

    fn end_outputs(&mut self, page: &Page, ends: impl Fn(&Output) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        for output in mem::take(&mut self.outputs) {
            if !ends(&output) {
                self.outputs.push(output);
                continue;
            }
            let place = output.place.clone();
            let rest = output.end();
            if rest.left_out > 0 {
                let ellipsis = page.symbols.ellipsis;
                let remark =
                    format!("{ellipsis} {} more lines (`--json` shows all)", rest.left_out);
                lines.extend(page.remark(&remark));
            }
            lines.extend(rest.lines.iter().flat_map(|line| page.output(&place, line)));
        }
        lines
    }
}

/// Heading and why of a step that is shown.
pub(super) fn heading(
    page: &Page,
    place: StepPlace,
    steps: u32,
    title: &str,
    why: &str,
) -> Vec<String> {
    let lead = page.palette.strong(&lead(place, steps));
    let mut lines = page.hanging(&lead, MARGIN, title, |line| page.palette.strong(line));
    lines.extend(page.paragraph(MARGIN, why));
    lines
}

/// The open line of a step that is told in one line, and its columns; [`quiet_end`] completes it.
pub(super) fn quiet_start(
    page: &Page,
    place: StepPlace,
    steps: u32,
    title: &str,
) -> (String, usize) {
    let ellipsis = page.symbols.ellipsis;
    let lead = lead(place, steps);
    let room = page.columns.saturating_sub(lead.width() + QUIET_VERDICT).max(1);
    let title = page.paragraph(0, title).join(" ");
    let title: String = title.chars().take(room).collect();
    let text = format!("{} {ellipsis}", title.trim_end());
    let used = lead.width() + text.width();
    (page.palette.faint(&lead) + &text, used)
}

/// Columns for ` ... ok 12 checks  12.3 s`.
const QUIET_VERDICT: usize = 25;

/// What completes the line of a quiet step that is so long already.
pub(super) fn quiet_end(page: &Page, summary: &StepSummary, used: usize) -> Vec<String> {
    let (sign, painted) = if summary.passed {
        (page.symbols.good, page.palette.good(page.symbols.good))
    } else {
        (page.symbols.bad, page.palette.bad(page.symbols.bad))
    };
    let checks = units::count(summary.checks_passed, "check");
    let checks = if summary.passed { format!(" {checks}") } else { String::new() };
    let width = 1 + sign.width() + checks.width();
    page.at_right(format!(" {painted}{checks}"), used + width, &units::time(summary.took))
}

/// `[ 9/12] `, or `[setup] ` for a step without a number.
fn lead(place: StepPlace, steps: u32) -> String {
    let digits = steps.to_string().len();
    let lead =
        place.number.map_or("[setup]".to_owned(), |number| format!("[{number:>digits$}/{steps}]"));
    format!("{lead:<7} ")
}

fn place_of(failure: &netlab_protocol::Failure) -> Place {
    use netlab_protocol::Failure;
    match failure {
        Failure::Command { place, .. } | Failure::Background { place, .. } => place.clone(),
        Failure::Missing { .. }
        | Failure::Exists { .. }
        | Failure::Busy
        | Failure::Protocol { .. }
        | Failure::System { .. } => Place::Root,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::Name;
    use crate::report::terminal::Terminal;
    use crate::report::{Event, sample};

    #[test]
    fn of_a_guest_that_says_more_than_a_lab_has_no_more_is_kept() {
        let (input, output, redraw, colour, unicode) = (false, false, false, false, true);
        let terminal = Terminal { input, output, redraw, columns: 80, colour, unicode };
        let page = Page::new(&terminal, &[], Name::DEFAULT);
        let mut view = StepView::new(StepPlace { index: 0, number: None, quiet: true });
        let mut say = |event| match event {
            Event::Guest { event, .. } => view.event(&page, &event),
            other => panic!("{other:?}"),
        };
        for number in 0..1000 {
            let name = number.to_string();
            say(sample::output(&name, Some(&name), b"a line\nand more"));
            say(sample::checked(Witness::Control, "red", &name, ""));
            let mut failed = sample::verdict(Witness::Control, "red", &name, "");
            failed.passed = false;
            say(sample::guest(GuestEvent::Checked(failed)));
        }
        assert!(view.outputs.len() <= MOST_KEPT);
        assert_eq!((view.controls.len(), view.failed.len()), (MOST_KEPT, MOST_KEPT + 1));
        assert_eq!(view.withheld.len(), MOST_WITHHELD);
    }
}
