//! Runs a lab over an open session: step by step, at the learner's pace, and tells what came of
//! it. The agent knows nothing of pace; a renderer knows nothing of sessions.

mod back;
mod close;
mod early;
mod error;
mod history;
mod pace;
mod places;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use netlab_fault as fault;
use netlab_protocol::{Event as GuestEvent, Failure, Place, Plan, Request, Topology};
use tokio::time::timeout;

pub use error::RunError;
pub use history::History;
pub use pace::{Pace, Paced, Straight};
pub use places::check_start;

use close::close;
use early::Early;
use pace::Choice;
use places::places;
use tally::Tally;

use crate::agent::{self, Session};
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
    /// Whether a guest that an earlier run saved may take the place of this one.
    pub guest_may_go: bool,
    /// Whether a lab that an earlier session left may be cleared away: in a guest of netlab's own, or
    /// with the user's word.
    pub left_may_go: bool,
}

/// A lab that is being run.
pub struct Run<'a> {
    session: Session,
    history: &'a mut dyn History,
    reporter: &'a Reporter,
    cancel: &'a Cancel,
    plan: Plan,
    places: Vec<StepPlace>,
    keep: bool,
    guest_may_go: bool,
    left_may_go: bool,
    /// Whether the lab in the guest ends with this session: it is open, and not held.
    attached: bool,
    /// Indexes of the steps before which this very run has saved the guest.
    saved_here: BTreeSet<u32>,
    /// Position of the first step that is run: those before it are in the guest already.
    begin: usize,
    /// Position of the step before which the guest is just as it was saved.
    saved: Option<usize>,
    /// Why the guest is not saved any more, once it could not be.
    unsaved: Option<String>,
    /// What came from the guest between two steps, for the next one to show.
    early: Early,
}

impl<'a> Run<'a> {
    /// Brings the guest back to the first step that is shown, if it was saved there; or clears
    /// what an earlier lab left in the guest, and opens this one.
    ///
    /// # Errors
    /// [`RunError::Refused`] or a lost connection.
    pub async fn open(
        session: Session,
        history: &'a mut dyn History,
        lab: &Lab,
        options: Options,
        reporter: &'a Reporter,
        cancel: &'a Cancel,
    ) -> Result<Self, Error> {
        let plan = lab.plan();
        let Options { from, keep, guest_may_go, left_may_go } = options;
        let places = places(&plan.steps, from);
        let mut run = Self {
            session,
            history,
            reporter,
            cancel,
            plan,
            places,
            keep,
            guest_may_go,
            left_may_go,
            attached: false,
            saved_here: BTreeSet::new(),
            begin: 0,
            saved: None,
            unsaved: None,
            early: Early::default(),
        };
        match run.start_from_saved(from).await {
            Ok(true) => return Ok(run),
            Ok(false) => {}
            Err(error) if cancel.is_cancelled() => {
                run.break_off().await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        let hello = run.session.hello();
        if let Some(left) = hello.kept.clone().or_else(|| hello.held.clone()) {
            if !left_may_go {
                return Err(RunError::Stands { lab: left }.into());
            }
            run.note(format!("clearing away what lab `{left}` left in the guest"));
            cancel.guard(agent::clear(&mut run.session)).await?;
        }
        run.take_guest().await?;
        fault::reach(fault::Phase::DemoOpened);
        Ok(run)
    }

    /// Takes the guest for the plan.
    async fn take_guest(&mut self) -> Result<(), Error> {
        self.attached = true;
        let open = Request::Open(Box::new(self.plan.clone()));
        let begun = Instant::now();
        loop {
            self.cancel.guard(self.session.send(&open)).await?;
            match self.cancel.guard(self.session.next()).await? {
                GuestEvent::Opened => return Ok(()),
                // Nobody else runs a lab in a guest of ours, or we would not have its lock: it is the
                // agent of a netlab that was killed, which clears that one's lab away.
                GuestEvent::Failed(Failure::Busy)
                    if self.left_may_go && begun.elapsed() < BREAK_OFF_LIMIT =>
                {
                    self.cancel.guard(pause(RETRY_EVERY)).await?;
                }
                GuestEvent::Failed(failure) => {
                    let (lab, failure) = (self.plan.lab.clone(), Box::new(failure));
                    return Err(RunError::Refused { lab, failure }.into());
                }
                other => return Err(self.session.unexpected("opening the lab", &other).into()),
            }
        }
    }

    /// Runs the steps and ends the lab. Returns what came of it.
    ///
    /// # Errors
    /// [`Interrupted`] after the lab has been cleared away; a lost connection.
    pub async fn finish(mut self, lab: &Lab, pace: &mut dyn Pace) -> Result<LabSummary, Error> {
        let started = Instant::now();
        let shown = self.places.iter().filter(|place| place.number.is_some()).count() as u32;
        self.reporter.emit(Event::LabStarted {
            lab: self.plan.lab.clone(),
            title: lab.title.clone(),
            summary: lab.summary.clone(),
            steps: shown,
            namespaces: self.plan.namespaces.clone(),
        });
        let mut tally = Tally::default();
        let steps = match self.steps(pace, &mut tally).await {
            Err(error) if self.cancel.is_cancelled() => {
                self.break_off().await?;
                return Err(error);
            }
            other => other?,
        };
        fault::reach(fault::Phase::DemoClosing);
        let topology = self.topology().await?;
        let passed = tally.passed();
        // What failed is left as it is for the learner to look at.
        let kept = self.keep || !passed;
        self.cancel.guard(close(&mut self.session, kept, self.reporter)).await?;
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

    async fn steps(&mut self, pace: &mut dyn Pace, tally: &mut Tally) -> Result<Ended, Error> {
        let mut at = self.begin;
        while let Some(&place) = self.places.get(at) {
            if !place.quiet {
                if let Some(number) = place.number
                    && let Err(error) = self.history.begins(number)
                {
                    self.note(format!("can't note down that step {number} begins: {error}"));
                }
                // Only a learner who is asked can come back.
                if pace.asks() {
                    self.save(at).await?;
                }
                let ways = self.ways(at);
                match pace.before(&self.plan.steps[at], place, &ways).await? {
                    Choice::Go => {}
                    Choice::Again => {
                        at = self.shown_before(at).unwrap_or(at);
                        if !self.rewind(at, tally).await? {
                            return Ok(Ended::Failed);
                        }
                    }
                    Choice::Back => {
                        if let Ok(earlier) = ways.back
                            && self.return_to(earlier).await?
                        {
                            at = earlier;
                            let number = self.places[at].number.unwrap_or_default();
                            self.note(format!("the guest is as it was before step {number}"));
                            tally.forget_from(self.places[at].index);
                        }
                        continue;
                    }
                    Choice::Quit => return Ok(Ended::Early),
                    Choice::Interrupt => return Err(Interrupted.into()),
                }
            }
            if !self.step(self.places[at], tally).await? {
                return Ok(Ended::Failed);
            }
            at += 1;
        }
        Ok(Ended::Last)
    }

    /// Position of the step that was shown last before `at`.
    fn shown_before(&self, at: usize) -> Option<usize> {
        self.places[..at].iter().rposition(|place| !place.quiet)
    }

    fn note(&self, text: String) {
        self.reporter.emit(Event::Note { text });
    }

    /// Starts over in a clean guest and replays the steps before `at`, which is wanted again:
    /// commands that make things can't be run twice. Returns whether all of them passed.
    async fn rewind(&mut self, at: usize, tally: &mut Tally) -> Result<bool, Error> {
        self.cancel.guard(close(&mut self.session, false, self.reporter)).await?;
        self.take_guest().await?;
        for earlier in 0..at {
            let place = self.places[earlier];
            if !self.step(StepPlace { quiet: true, ..place }, tally).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Runs one step and returns whether it passed.
    async fn step(&mut self, place: StepPlace, tally: &mut Tally) -> Result<bool, Error> {
        let step = &self.plan.steps[place.index as usize];
        let (title, why) = (step.title.clone(), step.why.clone());
        self.reporter.emit(Event::StepStarted { step: place, title: title.clone(), why });
        for event in self.early.drain() {
            self.reporter.emit(Event::Guest { event, quiet: place.quiet });
        }
        self.saved = None;
        let mut command = None;
        let lost = |command: Option<(Place, String)>, source| RunError::CutShort {
            number: place.number,
            title: title.clone(),
            command,
            source: Box::new(source),
        };
        let sent = self.session.send(&Request::Step { index: place.index }).await;
        sent.map_err(|source| lost(None, source))?;
        fault::reach(fault::Phase::DemoStep);
        tally.begin();
        loop {
            let next = async { self.session.next().await.map_err(|it| lost(command.take(), it)) };
            let event = self.cancel.guard(next).await?;
            match &event {
                GuestEvent::CommandStarted { place, text, .. } => {
                    command = Some((place.clone(), text.clone()));
                }
                GuestEvent::CommandEnded { .. } | GuestEvent::BackgroundReady { .. } => {
                    command = None;
                }
                _ => {}
            }
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
                    self.note(format!("no diagram: {failure}"));
                    return Ok(None);
                }
                // What a background command of the lab prints meanwhile.
                _ => {}
            }
        }
    }

    /// Ends the lab after an interruption. The session answers even while a step runs.
    async fn break_off(&mut self) -> Result<(), Error> {
        let (session, reporter, attached) = (&mut self.session, self.reporter, self.attached);
        let ended = async {
            if attached {
                close(session, false, reporter).await
            } else {
                Ok(agent::clear(session).await?)
            }
        };
        match timeout(BREAK_OFF_LIMIT, ended).await {
            Ok(closed) => closed.map(drop),
            Err(_) => {
                self.note("the guest still clears the lab away; it goes on without us".to_owned());
                Ok(())
            }
        }
    }
}

/// Longest wait for a lab to be cleared away after an interruption. The agent does it without us
/// too, once the connection ends.
const BREAK_OFF_LIMIT: Duration = Duration::from_secs(15);

/// Time between two requests for a guest that still clears an earlier lab away.
const RETRY_EVERY: Duration = Duration::from_millis(50);

/// Waits, in a way that can be interrupted.
async fn pause(time: Duration) -> Result<(), Error> {
    tokio::time::sleep(time).await;
    Ok(())
}

/// How the steps came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Last,
    Early,
    Failed,
}
