//! An opened lab: the right to the guest, its cgroup, its values and what runs in it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use netlab_protocol::{Action, Check, Failure, Place, Plan};

use crate::background::Background;
use crate::cgroup::Cgroup;
use crate::error::Error;
use crate::ledger::{Inventory, Ledger, Lock, Machine};
use crate::limits;
use crate::needs;
use crate::outside;
use crate::teardown::{self, Removal};
use crate::values::Values;

/// A lab that this session has opened.
#[derive(Debug)]
pub struct Lab {
    /// What it runs.
    pub plan: Rc<Plan>,
    /// Whose the machine is that it runs in.
    pub machine: Machine,
    /// What it knows.
    pub values: Values,
    /// What runs beside it, by name.
    pub backgrounds: BTreeMap<String, Background>,
    /// Where all its processes are.
    pub cgroup: Cgroup,
    ledger: Ledger,
    // Before the next session may open a lab, this one must be gone: dropped last.
    lock: Lock,
    next: Cell<u32>,
}

impl Lab {
    /// Takes the guest for a plan. Nothing is made in it before the ledger is on disk.
    ///
    /// # Errors
    /// [`Failure::Busy`], [`Failure::Missing`], [`Failure::Exists`]; [`Failure::Protocol`] if an
    /// earlier lab still stands.
    pub async fn open(plan: Plan, machine: Machine) -> Result<Self, Failure> {
        let lock = Lock::take()?.ok_or(Failure::Busy)?;
        if let Some(kept) = Ledger::read()? {
            return Err(Failure::Protocol {
                asked: format!("open lab `{}`", plan.lab),
                problem: format!("while lab `{}` of an earlier session still stands", kept.lab),
            });
        }
        needs::meet(&plan.needs).await?;
        needs::refuse_existing(&plan).await?;
        let ledger = Ledger::new(&plan, machine, outside::leaking(&plan.networks).await?);
        ledger.write()?;
        for network in &ledger.closed {
            if let Err(error) = outside::close(network).await {
                teardown::remove(&ledger).await;
                return Err(error.into());
            }
        }
        // The last thing that can fail: a ledger left alone would speak of a lab that never was.
        let cgroup = match Cgroup::make_lab() {
            Ok(cgroup) => cgroup,
            Err(error) => {
                teardown::remove(&ledger).await;
                return Err(error.into());
            }
        };
        limits::set(&cgroup, machine);
        let values = Values::new(plan.values.clone());
        let (plan, backgrounds, next) = (Rc::new(plan), BTreeMap::new(), Cell::new(0));
        Ok(Self { plan, machine, values, backgrounds, cgroup, ledger, lock, next })
    }

    /// Makes a fresh cgroup of the lab for one command.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn next_cgroup(&self, what: &str) -> Result<Cgroup, Error> {
        let number = self.next.get();
        self.next.set(number + 1);
        self.cgroup.make_child(&format!("{what}-{number}"))
    }

    /// Finds a check of any step by its id.
    pub fn check(&self, id: &str) -> Option<&Check> {
        let of_steps = self.plan.steps.iter().flat_map(|step| &step.actions);
        let counterfactuals = self.plan.steps.iter().flat_map(|step| &step.counterfactuals);
        let of_counterfactuals = counterfactuals.flat_map(|it| it.take_away.iter().chain(&it.undo));
        of_steps.chain(of_counterfactuals).find_map(|action| match action {
            Action::Check(check) if check.id == id => Some(check),
            Action::Check(_) | Action::Run(_) | Action::Start(_) => None,
        })
    }

    /// Returns the places of the lab: root, then the announced namespaces in their order.
    pub fn places(&self) -> Vec<Place> {
        let named = self.plan.namespaces.iter().cloned().map(Place::Namespace);
        std::iter::once(Place::Root).chain(named).collect()
    }

    /// Notes in the ledger what is there before a step.
    ///
    /// # Errors
    /// What taking the inventory, or writing the ledger, may say.
    pub async fn begin_step(&mut self) -> Result<(), Error> {
        self.ledger.step_begins(Inventory::take().await?);
        self.ledger.write()
    }

    /// Notes in the ledger what a step has made.
    ///
    /// # Errors
    /// As [`Self::begin_step`].
    pub async fn end_step(&mut self) -> Result<(), Error> {
        self.ledger.step_is_over(&Inventory::take().await?);
        self.ledger.write()
    }

    /// Leaves the lab standing. Only the lock goes: cgroup, ledger and processes stay.
    pub async fn keep(self) -> Removal {
        let Self { backgrounds, lock, .. } = self;
        let mut removal = Removal::default();
        for (name, background) in backgrounds {
            if let Err(error) = background.leave().await {
                removal.errors.push(format!("background `{name}`: {error}"));
            }
        }
        drop(lock);
        removal
    }

    /// Ends the lab: everything that it made goes.
    pub async fn end(self) -> Removal {
        let Self { ledger, lock, .. } = self;
        let removal = teardown::remove(&ledger).await;
        drop(lock);
        removal
    }
}

/// Returns the id of a lab that an earlier session left and that nobody runs now.
///
/// # Errors
/// What looking for the lock or reading the ledger may say.
pub fn left_behind() -> Result<Option<String>, Error> {
    if Lock::is_taken()? {
        return Ok(None);
    }
    let ledger = Ledger::read()?;
    // Looked at again: another session may have opened its lab since.
    if Lock::is_taken()? { Ok(None) } else { Ok(ledger.map(|ledger| ledger.lab)) }
}

/// Removes a lab that an earlier session left; nothing is there to remove if there is none.
///
/// # Errors
/// [`Failure::Busy`] if it still runs.
pub async fn reset() -> Result<Removal, Failure> {
    let lock = Lock::take()?.ok_or(Failure::Busy)?;
    let removal = match Ledger::read()? {
        Some(ledger) => teardown::remove(&ledger).await,
        None => Removal::default(),
    };
    drop(lock);
    Ok(removal)
}
