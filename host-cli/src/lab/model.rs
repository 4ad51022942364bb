//! A lab without a mistake, and the plan that the guest runs of it.

use std::collections::BTreeMap;

use netlab_protocol::{Counterfactual, Needs, Plan, Step};

use super::draft::{CounterfactualDraft, Draft, Item, StepDraft};
use super::header::Header;

/// A lab, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lab {
    /// What it is called on the command line.
    pub id: String,
    /// The page's title.
    pub title: String,
    /// One sentence for the list of labs.
    pub summary: String,
    /// How long a reader takes, in minutes.
    pub minutes: u32,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Namespaces that it makes.
    pub namespaces: Vec<String>,
    /// Files and folders that it makes outside its own folder.
    pub files: Vec<String>,
    /// Interfaces and bridges that it makes in root.
    pub interfaces: Vec<String>,
    /// Names of programs that it starts and may end by name.
    pub processes: Vec<String>,
    /// IPv4 networks of its own.
    pub networks: Vec<String>,
    /// What must be there before the first step.
    pub needs: Needs,
    /// Fixed values.
    pub values: BTreeMap<String, String>,
}

impl Lab {
    /// Makes a lab of a draft without mistakes; `None` if a part of it is missing after all.
    pub fn from_draft(draft: Draft) -> Option<Self> {
        let Header {
            id,
            summary,
            minutes,
            namespaces,
            files,
            interfaces,
            processes,
            networks,
            needs,
            values,
        } = draft.header?;
        Some(Self {
            id,
            title: draft.title?,
            summary,
            minutes,
            steps: draft.steps.into_iter().map(step).collect(),
            namespaces: namespaces.into_iter().map(|name| name.value).collect(),
            files,
            interfaces,
            processes,
            networks,
            needs,
            values,
        })
    }

    /// How many steps a reader sees.
    pub fn shown_steps(&self) -> usize {
        self.steps.iter().filter(|step| !step.quiet).count()
    }

    /// Returns what the guest's agent is given.
    pub fn plan(&self) -> Plan {
        Plan {
            lab: self.id.clone(),
            namespaces: self.namespaces.clone(),
            files: self.files.clone(),
            interfaces: self.interfaces.clone(),
            processes: self.processes.clone(),
            networks: self.networks.clone(),
            needs: self.needs.clone(),
            values: self.values.clone(),
            steps: self.steps.clone(),
        }
    }
}

fn step(draft: StepDraft) -> Step {
    let counterfactuals = draft.counterfactuals.into_iter().map(counterfactual).collect();
    let StepDraft { title, why, quiet, items, .. } = draft;
    Step { title, why, quiet, actions: actions(items), counterfactuals }
}

fn counterfactual(draft: CounterfactualDraft) -> Counterfactual {
    Counterfactual {
        title: draft.title,
        take_away: actions(draft.take_away),
        fails: draft.fails.unwrap_or_default().into_iter().map(|id| id.value).collect(),
        undo: actions(draft.undo),
    }
}

fn actions(items: Vec<Item>) -> Vec<netlab_protocol::Action> {
    items.into_iter().map(|item| item.action).collect()
}
