//! Runs a lab over an open session: step by step, at the learner's pace, and tells what came of
//! it. The agent knows nothing of pace; a renderer knows nothing of sessions.

mod clear;
mod error;
mod history;
mod pace;
mod tally;

use std::time::{Duration, Instant};

use netlab_protocol::{Event as GuestEvent, Plan, Request, Step, Topology};
use tokio::time::timeout;

pub use clear::reset;
pub use error::RunError;
pub use history::{History, Unsaved};
pub use pace::{Pace, Paced, Straight};

use clear::close;
use pace::Choice;
use tally::Tally;

use crate::agent::Session;
use crate::cancel::{Cancel, Interrupted};
use crate::error::Error;
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
            reset(session, reporter, cancel).await?;
        }
        let mut run = Self { session, reporter, cancel, plan: lab.plan() };
        run.take_guest().await?;
        Ok(run)
    }

    /// Takes the guest for the plan.
    async fn take_guest(&mut self) -> Result<(), Error> {
        let open = Request::Open(Box::new(self.plan.clone()));
        self.cancel.guard(self.session.send(&open)).await?;
        match self.cancel.guard(self.session.next()).await? {
            GuestEvent::Opened => Ok(()),
            GuestEvent::Failed(failure) => {
                let (lab, failure) = (self.plan.lab.clone(), Box::new(failure));
                Err(RunError::Refused { lab, failure }.into())
            }
            other => Err(self.session.unexpected("opening the lab", &other).into()),
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
                self.break_off().await?;
                return Err(error);
            }
            other => other?,
        };
        let topology = self.topology().await?;
        let passed = tally.passed();
        // What failed is left as it is for the learner to look at.
        let kept = options.keep || !passed;
        self.cancel.guard(close(self.session, kept, self.reporter)).await?;
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
        self.reporter.emit(Event::LabEnded { summary: summary.clone(), topology });
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
                let shown = places[..index].iter().rposition(|place| !place.quiet);
                match pace.before(&step, place, shown.is_some()).await? {
                    Choice::Go => {}
                    Choice::Again => {
                        index = shown.unwrap_or(index);
                        if !self.rewind(&places[..index], tally).await? {
                            return Ok(Ended::Failed);
                        }
                    }
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

    /// Starts over in a clean guest and replays the steps before the one that is wanted again:
    /// commands that make things can't be run twice. Returns whether all of them passed.
    async fn rewind(&mut self, before: &[StepPlace], tally: &mut Tally) -> Result<bool, Error> {
        self.cancel.guard(close(self.session, false, self.reporter)).await?;
        self.take_guest().await?;
        for &place in before {
            let step = self.plan.steps[place.index as usize].clone();
            if !self.step(&step, StepPlace { quiet: true, ..place }, tally).await? {
                return Ok(false);
            }
        }
        Ok(true)
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

    /// Asks how the guest is wired. A guest that can't tell costs the diagram, not the verdicts.
    async fn topology(&mut self) -> Result<Option<Topology>, Error> {
        self.session.send(&Request::Topology).await?;
        loop {
            match self.cancel.guard(self.session.next()).await? {
                GuestEvent::Topology(topology) => return Ok(Some(topology)),
                GuestEvent::Failed(failure) => {
                    let text = format!("no diagram: {failure}");
                    self.reporter.emit(Event::Note { text });
                    return Ok(None);
                }
                // What a background command of the lab prints meanwhile.
                _ => {}
            }
        }
    }

    /// Ends the lab after an interruption. The session answers even while a step runs.
    async fn break_off(&mut self) -> Result<(), Error> {
        match timeout(BREAK_OFF_LIMIT, close(self.session, false, self.reporter)).await {
            Ok(closed) => closed.map(drop),
            Err(_) => {
                let text = "the guest still clears the lab away; it goes on without us".to_owned();
                self.reporter.emit(Event::Note { text });
                Ok(())
            }
        }
    }
}

/// Longest wait for a lab to be cleared away after an interruption. The agent does it without us
/// too, once the connection ends.
const BREAK_OFF_LIMIT: Duration = Duration::from_secs(30);

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

/// How the steps came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Last,
    Early,
    Failed,
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
