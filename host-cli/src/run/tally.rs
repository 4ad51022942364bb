//! Counts what comes of a lab's steps.

use std::time::Duration;

use netlab_protocol::Event as GuestEvent;

use crate::report::{StepPlace, StepSummary};

/// The results so far. A step that was repeated counts once, with its last result.
#[derive(Debug, Default)]
pub(super) struct Tally {
    steps: Vec<StepSummary>,
    passed: u32,
    failed: u32,
}

impl Tally {
    /// Begins a step.
    pub(super) fn begin(&mut self) {
        (self.passed, self.failed) = (0, 0);
    }

    /// Counts a verdict; other events don't matter.
    pub(super) fn count(&mut self, event: &GuestEvent) {
        if let GuestEvent::Checked(verdict) = event {
            *(if verdict.passed { &mut self.passed } else { &mut self.failed }) += 1;
        }
    }

    /// Ends the step and returns its result.
    pub(super) fn end(
        &mut self,
        step: StepPlace,
        title: String,
        passed: bool,
        millis: u64,
    ) -> StepSummary {
        let summary = StepSummary {
            step,
            title,
            passed,
            checks_passed: self.passed,
            checks_failed: self.failed,
            took: Duration::from_millis(millis),
        };
        self.steps.retain(|earlier| earlier.step.index != step.index);
        self.steps.push(summary.clone());
        summary
    }

    /// Forgets the results of a step and those after it: the guest is as it was before.
    pub(super) fn forget_from(&mut self, step: u32) {
        self.steps.retain(|earlier| earlier.step.index < step);
    }

    pub(super) fn passed(&self) -> bool {
        self.steps.iter().all(|step| step.passed)
    }

    pub(super) fn checks_passed(&self) -> u32 {
        self.steps.iter().map(|step| step.checks_passed).sum()
    }

    pub(super) fn checks_failed(&self) -> u32 {
        self.steps.iter().map(|step| step.checks_failed).sum()
    }

    pub(super) fn into_steps(self) -> Vec<StepSummary> {
        self.steps
    }
}
