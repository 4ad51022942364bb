//! The checkpoints of a lab that is stepped through: what the provider keeps, as the run knows it. The
//! rule: those of another lab, or of another text of this one, are gone when a lab begins.

use std::io;

use async_trait::async_trait;
use netlab_protocol::Plan;

use crate::agent::Session;
use crate::context::Context;
use crate::died::Entered;
use crate::error::Error;
use crate::instance::{InstancePaths, Progress};
use crate::provider::checkpoint::{Back, Checkpoint, Forget, Label, Occasion, Wanted};
use crate::provider::{Machine, Provider};
use crate::report::{Event, Renderer, Reporter};
use crate::run::{History, RunError};
use crate::ssh::Connection;

/// The verb that saves a guest.
const SAVES: &str = "checkpoint";

/// The saved states of the guest before the steps of one plan.
pub struct Checkpoints {
    provider: Box<dyn Provider>,
    reporter: Reporter,
    lab: String,
    plan: String,
    /// For each step of the plan, the number that the reader sees or saw last.
    numbers: Vec<u32>,
    paths: InstancePaths,
    entered: Entered,
    /// The step that this run has come to, by its number.
    reached: Option<u32>,
}

impl Checkpoints {
    /// Looks for those of a plan, and removes those of other labs.
    ///
    /// # Errors
    /// A folder that can't be read or changed.
    pub async fn of(context: &Context, plan: &Plan) -> Result<Self, Error> {
        let text = serde_json::to_vec(plan).map_err(UnreadablePlan)?;
        let numbers = plan.steps.iter().scan(0, |number, step| {
            *number += u32::from(!step.quiet);
            Some(*number)
        });
        let checkpoints = Self {
            provider: context.provider()?,
            reporter: Reporter::new(Box::new(Quiet(context.reporter.clone()))),
            lab: plan.lab.clone(),
            plan: blake3::hash(&text).to_hex().to_string(),
            numbers: numbers.collect(),
            paths: context.paths()?,
            entered: context.entered.clone(),
            reached: None,
        };
        if let Some(emulator) = checkpoints.provider.machine().emulator() {
            for checkpoint in emulator.checkpoints()? {
                let is_a_steps = matches!(checkpoint.occasion, Some(Occasion::Step { .. }));
                if is_a_steps && checkpoints.step_of(&checkpoint).is_none() {
                    emulator.forget(&Forget::One(checkpoint.label)).await?;
                }
            }
        }
        Ok(checkpoints)
    }

    /// The step at which an earlier run of this plan broke off, unless that was the first one.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn broken_off(&self) -> Result<Option<u32>, Error> {
        let progress = Progress::read(&self.paths)?;
        let ours = progress.filter(|it| it.lab == self.lab && it.plan == self.plan);
        Ok(ours.map(|progress| progress.step).filter(|&step| step > 1))
    }

    /// The step that this run has come to, unless that is the first one.
    pub fn reached(&self) -> Option<u32> {
        self.reached.filter(|&step| step > 1)
    }

    /// Removes them, since the lab has come to its end.
    ///
    /// # Errors
    /// A file that can't be removed.
    pub async fn forget(&self) -> Result<(), Error> {
        match self.provider.machine().emulator() {
            Some(emulator) => emulator.forget(&Forget::Steps).await.map(drop),
            None => Ok(()),
        }
    }

    /// The step before which a checkpoint was made, if it is of this plan.
    fn step_of(&self, checkpoint: &Checkpoint) -> Option<u32> {
        match &checkpoint.occasion {
            Some(Occasion::Step { lab, plan, step }) if *lab == self.lab && *plan == self.plan => {
                Some(*step)
            }
            Some(Occasion::Step { .. } | Occasion::Asked) | None => None,
        }
    }

    /// The label of the one before a step.
    fn find(&self, step: u32) -> Option<Label> {
        // What can't be listed can't be gone back to, and why is said by whoever saves next.
        let checkpoints = self.provider.machine().emulator()?.checkpoints().unwrap_or_default();
        let wanted = checkpoints.into_iter().find(|it| self.step_of(it) == Some(step));
        wanted.map(|checkpoint| checkpoint.label)
    }

    fn number(&self, step: u32) -> u32 {
        self.numbers.get(step as usize).copied().unwrap_or_default()
    }
}

#[async_trait]
impl History for Checkpoints {
    async fn save(&mut self, step: u32) -> Result<(), Error> {
        let (lab, plan, number) = (self.lab.clone(), self.plan.clone(), self.number(step));
        let wanted = Wanted::Step { lab, plan, step, number };
        let emulator = self.provider.machine().own(SAVES)?;
        emulator.save(wanted, &self.reporter).await.map(drop)
    }

    fn has(&self, step: u32) -> bool {
        self.find(step).is_some()
    }

    async fn back(&mut self, step: u32) -> Result<Session, Error> {
        let label = self.find(step).ok_or_else(|| RunError::Unsaved {
            why: "the guest was not saved before that step".to_owned(),
        })?;
        let emulator = self.provider.machine().own(SAVES)?;
        let Back { endpoint, .. } = emulator.back(Some(&label), &self.reporter).await?;
        self.entered.note(&endpoint);
        let connection = Connection::for_agent(&endpoint).await?;
        Ok(Session::open(&connection, endpoint.architecture).await?)
    }

    fn begins(&mut self, number: u32) -> Result<(), Error> {
        self.reached = Some(number);
        let (lab, plan) = (self.lab.clone(), self.plan.clone());
        Ok(Progress { lab, plan, step: number }.write(&self.paths)?)
    }

    fn unavailable(&self) -> Option<String> {
        match self.provider.machine() {
            Machine::Own(emulator) => emulator.unsavable(),
            Machine::Lent { .. } => Some("this machine is yours, and stays as it is".to_owned()),
        }
    }
}

/// Passes notes on and keeps the phases of a start to itself: to a learner it is a step back, not a
/// start.
struct Quiet(Reporter);

impl Renderer for Quiet {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if let Event::Note { .. } = event {
            self.0.emit(event.clone());
        }
        Ok(())
    }
}

/// The plan could not be written down to take its digest.
#[derive(Debug, thiserror::Error)]
#[error("the lab's plan could not be written as JSON")]
struct UnreadablePlan(#[source] serde_json::Error);

impl crate::error::Hint for UnreadablePlan {
    fn hint(&self) -> String {
        "this is a mistake of netlab; please report it".to_owned()
    }

    fn exit(&self) -> crate::error::Exit {
        crate::error::Exit::HostLacks
    }
}
