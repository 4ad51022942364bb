//! Runs a lab over an open session: step by step, at the learner's pace, and tells what came of
//! it. The agent knows nothing of pace; a renderer knows nothing of sessions.

mod pace;
mod tally;

use std::time::Instant;

use netlab_protocol::{Event as GuestEvent, Failure, Plan, Request, Step, Topology};

use pace::Choice;
pub use pace::{Pace, Paced, Straight};
use tally::Tally;

use crate::agent::{Session, SessionError};
use crate::cancel::{Cancel, Interrupted};
use crate::error::{Error, Exit, Hint};
use crate::lab::Lab;
use crate::report::{Event, LabSummary, Reporter, StepPlace};

/// How to run a lab.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Number of the first step to show, from 1; those before it are replayed quietly.
    pub from: u32,
    /// Whether to leave the lab standing.
    pub keep: bool,
}

/// Why a lab could not be run to a verdict. A failed check is a verdict, not an error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The guest refused the lab as a whole.
    #[error("the guest can't run lab `{lab}`: {failure}")]
    Refused {
        /// Id of the lab.
        lab: String,
        /// What it said.
        failure: Failure,
    },
    /// The lab has fewer steps than `--from` says.
    #[error("lab `{lab}` has {steps} steps, so it can't start from step {from}")]
    NoSuchStep {
        /// Id of the lab.
        lab: String,
        /// How many steps it shows.
        steps: u32,
        /// What was asked for.
        from: u32,
    },
}

impl Hint for RunError {
    fn hint(&self) -> String {
        match self {
            Self::Refused { failure: Failure::Busy, .. } => {
                "wait for the other one to end, or use another guest: `--name other`".to_owned()
            }
            Self::Refused { failure: Failure::Exists { .. }, .. } => {
                "remove it by hand in `netlab shell`, or start from a new guest: `netlab down`"
                    .to_owned()
            }
            Self::Refused { .. } => {
                "look into the guest with `netlab shell`, or start from a new one: `netlab down`"
                    .to_owned()
            }
            Self::NoSuchStep { lab, .. } => format!("`netlab show {lab}` numbers the steps"),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Refused { failure: Failure::Missing { .. }, .. } => Exit::Usage,
            Self::Refused { .. } => Exit::GuestDown,
            Self::NoSuchStep { .. } => Exit::Usage,
        }
    }
}

/// A lab that is being run.
pub struct Run<'a> {
    session: &'a mut Session,
    reporter: &'a Reporter,
    cancel: &'a Cancel,
    plan: Plan,
}

impl<'a> Run<'a> {
    /// Clears what an earlier lab left in the guest and opens this one.
    ///
    /// # Errors
    /// [`RunError::Refused`] or a lost connection.
    pub async fn open(
        session: &'a mut Session,
        lab: &Lab,
        reporter: &'a Reporter,
        cancel: &'a Cancel,
    ) -> Result<Self, Error> {
        if let Some(kept) = session.hello().kept.clone() {
            reporter.emit(Event::Note {
                text: format!("clearing away what lab `{kept}` left in the guest"),
            });
            clear(session, Request::Reset, reporter).await?;
        }
        let plan = lab.plan();
        cancel.guard(session.send(&Request::Open(Box::new(plan.clone())))).await?;
        match cancel.guard(session.next()).await? {
            GuestEvent::Opened => Ok(Self { session, reporter, cancel, plan }),
            GuestEvent::Failed(failure) => Err(RunError::Refused { lab: plan.lab, failure }.into()),
            other => Err(session.unexpected("opening the lab", &other).into()),
        }
    }

    /// Runs the steps and ends the lab. Returns what came of it.
    ///
    /// # Errors
    /// [`Interrupted`] after the lab has been cleared away; a lost connection.
    pub async fn finish(
        mut self,
        lab: &Lab,
        options: Options,
        pace: &mut dyn Pace,
    ) -> Result<LabSummary, Error> {
        let started = Instant::now();
        let places = places(&self.plan.steps, options.from);
        let shown = places.iter().filter(|place| place.number.is_some()).count() as u32;
        if options.from > shown {
            let (lab, from) = (self.plan.lab, options.from);
            return Err(RunError::NoSuchStep { lab, steps: shown, from }.into());
        }
        self.reporter.emit(Event::LabStarted {
            lab: self.plan.lab.clone(),
            title: lab.title.clone(),
            summary: lab.summary.clone(),
            steps: shown,
            namespaces: self.plan.namespaces.clone(),
        });
        let mut tally = Tally::default();
        let steps = match self.steps(&places, pace, &mut tally).await {
            Err(error) if self.cancel.is_cancelled() => {
                // The session answers `Close` even while a step runs.
                clear(self.session, Request::Close { keep: false }, self.reporter).await?;
                return Err(error);
            }
            other => other?,
        };
        let topology = self.topology().await?;
        let passed = tally.passed();
        // What failed is left as it is for the learner to look at.
        let kept = options.keep || !passed;
        clear(self.session, Request::Close { keep: kept }, self.reporter).await?;
        let summary = LabSummary {
            lab: self.plan.lab,
            passed,
            checks_passed: tally.checks_passed(),
            checks_failed: tally.checks_failed(),
            steps: tally.into_steps(),
            took: started.elapsed(),
            kept,
            quit_early: steps == Ended::Early,
        };
        self.reporter.emit(Event::LabEnded { summary: summary.clone(), topology: Some(topology) });
        Ok(summary)
    }

    async fn steps(
        &mut self,
        places: &[StepPlace],
        pace: &mut dyn Pace,
        tally: &mut Tally,
    ) -> Result<Ended, Error> {
        let mut index = 0;
        while let Some(&place) = places.get(index) {
            let step = self.plan.steps[index].clone();
            if !place.quiet {
                match pace.before(&step, place, index > 0).await? {
                    Choice::Go => {}
                    Choice::Again if index > 0 => index -= 1,
                    Choice::Again => {}
                    Choice::Quit => return Ok(Ended::Early),
                    Choice::Interrupt => return Err(Interrupted.into()),
                }
            }
            let place = places[index];
            let step = self.plan.steps[index].clone();
            if !self.step(&step, place, tally).await? {
                return Ok(Ended::Failed);
            }
            index += 1;
        }
        Ok(Ended::Last)
    }

    /// Runs one step and returns whether it passed.
    async fn step(
        &mut self,
        step: &Step,
        place: StepPlace,
        tally: &mut Tally,
    ) -> Result<bool, Error> {
        let (title, why) = (step.title.clone(), step.why.clone());
        self.reporter.emit(Event::StepStarted { step: place, title: title.clone(), why });
        self.session.send(&Request::Step { index: place.index }).await?;
        tally.begin();
        loop {
            let event = self.cancel.guard(self.session.next()).await?;
            tally.count(&event);
            let ended = match &event {
                GuestEvent::StepEnded { passed, millis, .. } => Some((*passed, *millis)),
                _ => None,
            };
            self.reporter.emit(Event::Guest { event, quiet: place.quiet });
            if let Some((passed, millis)) = ended {
                let summary = tally.end(place, title, passed, millis);
                self.reporter.emit(Event::StepEnded { summary });
                return Ok(passed);
            }
        }
    }

    async fn topology(&mut self) -> Result<Topology, SessionError> {
        self.session.send(&Request::Topology).await?;
        match self.session.next().await? {
            GuestEvent::Topology(topology) => Ok(topology),
            other => Err(self.session.unexpected("asking for the topology", &other)),
        }
    }
}

/// How the steps came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Last,
    Early,
    Failed,
}

/// Ends a lab with `request` and tells what could not be removed.
///
/// # Errors
/// A lost connection.
pub async fn clear(
    session: &mut Session,
    request: Request,
    reporter: &Reporter,
) -> Result<Vec<String>, SessionError> {
    session.send(&request).await?;
    loop {
        // Events of a step that was cut short may still be on their way.
        if let GuestEvent::Closed { removed, errors } = session.next().await? {
            for error in errors {
                reporter.emit(Event::Note { text: format!("could not clear away: {error}") });
            }
            return Ok(removed);
        }
    }
}

/// Numbers the steps that are shown, and marks those that `from` only replays.
fn places(steps: &[Step], from: u32) -> Vec<StepPlace> {
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
