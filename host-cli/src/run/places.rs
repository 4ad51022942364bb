//! Which of a lab's steps are shown, under which numbers, and where a run may start.

use netlab_protocol::Step;

use super::RunError;
use crate::lab::Lab;
use crate::report::StepPlace;

/// Checks that a lab has the step that a run is to start from.
///
/// # Errors
/// [`RunError::NoSuchStep`].
pub fn check_start(lab: &Lab, from: u32) -> Result<(), RunError> {
    let steps = lab.shown_steps() as u32;
    if from > steps {
        return Err(RunError::NoSuchStep { lab: lab.id.clone(), steps, from });
    }
    Ok(())
}

/// Numbers the steps that are shown, and marks those that `from` only replays.
pub(super) fn places(steps: &[Step], from: u32) -> Vec<StepPlace> {
    let mut number = 0;
    let place = |(index, step): (usize, &Step)| {
        if !step.quiet {
            number += 1;
        }
        let shown = (!step.quiet).then_some(number);
        let quiet = step.quiet || number < from;
        StepPlace { index: index as u32, number: shown, quiet }
    };
    steps.iter().enumerate().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(quiet: bool) -> Step {
        let (title, why) = (String::new(), String::new());
        Step { title, why, quiet, actions: Vec::new(), counterfactuals: Vec::new() }
    }

    #[test]
    fn quiet_steps_have_no_number_and_steps_before_from_are_replayed_quietly() {
        let steps = [step(true), step(false), step(false), step(true), step(false)];
        let seen: Vec<_> = places(&steps, 2).iter().map(|p| (p.index, p.number, p.quiet)).collect();
        assert_eq!(
            seen,
            [
                (0, None, true),
                (1, Some(1), true),
                (2, Some(2), false),
                (3, None, true),
                (4, Some(3), false)
            ]
        );
    }
}
