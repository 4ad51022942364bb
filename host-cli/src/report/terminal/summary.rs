//! The end of a lab: what came of it, what failed and where, how to look around, how long it took.

use netlab_protocol::Place;

use super::page::{MARGIN, Page};
use super::units;
use crate::report::{LabSummary, StepPlace};

/// What failed in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FailedStep {
    /// Its place in the lab.
    pub(super) place: StepPlace,
    /// Its heading.
    pub(super) title: String,
    /// What failed, a line each, and where one would look.
    pub(super) what: Vec<(String, Place)>,
}

/// The end of a lab as lines. `steps` is how many the lab shows.
pub(super) fn lines(
    page: &Page,
    summary: &LabSummary,
    steps: u32,
    failed: &[FailedStep],
) -> Vec<String> {
    let sign = if summary.passed { page.symbols.good } else { page.symbols.bad };
    let lead = if summary.passed { page.palette.good(sign) } else { page.palette.bad(sign) };
    let mut lines = page.signed(sign, &lead, &verdict_line(summary, steps, failed));
    for step in failed {
        let place = step.place.number.map_or("setup".to_owned(), |number| format!("step {number}"));
        lines.extend(page.paragraph(MARGIN + 2, &format!("{place}: {}", step.title)));
        for (what, _) in &step.what {
            let bad = page.symbols.bad;
            let lead = format!("{:1$}{bad} ", "", MARGIN + 4);
            let width = unicode_width::UnicodeWidthStr::width(lead.as_str());
            lines.extend(page.hanging(&lead, width, what, str::to_owned));
        }
    }
    if summary.kept {
        let place = failed.iter().flat_map(|step| &step.what).map(|(_, place)| place).next();
        let shell = page.shell(place.unwrap_or(&Place::Root));
        let reset = page.netlab("reset");
        let left =
            if summary.passed { "the lab is left standing" } else { "the guest is left as it is" };
        let text = format!("{left}: look around with `{shell}`, clear it away with `{reset}`");
        lines.extend(page.paragraph(MARGIN, &text));
    }
    lines
}

fn verdict_line(summary: &LabSummary, steps: u32, failed: &[FailedStep]) -> String {
    let (passed, lab) = (summary.checks_passed, &summary.lab);
    let checks = units::count(passed + summary.checks_failed, "check");
    let time = units::time(summary.took);
    let last = summary.steps.iter().filter_map(|step| step.step.number).max();
    if summary.passed {
        let steps = match last {
            Some(last) if summary.quit_early => format!("ended after step {last} of {steps}"),
            None if summary.quit_early => format!("ended before step 1 of {steps}"),
            _ => units::count(steps, "step"),
        };
        return format!("demo {lab}: {steps}, {checks}, all passed in {time}");
    }
    let place = match failed.last().and_then(|step| step.place.number) {
        Some(number) => format!("at step {number} of {steps}"),
        None => "while it was set up".to_owned(),
    };
    format!("demo {lab}: failed {place}, {passed} of {checks} passed in {time}")
}
