//! A lab between reading and judging: what will be run, and beside it where each name stands.

use netlab_protocol::{Action, Check};

use super::header::Header;
use super::source::{Located, Span};

/// A lab file, read.
#[derive(Debug, Default)]
pub struct Draft {
    /// The first heading.
    pub title: Option<String>,
    /// What the `toml lab` fence says; `None` if it is missing or can't be read.
    pub header: Option<Header>,
    /// The steps, in order.
    pub steps: Vec<StepDraft>,
    /// Whether a check could not be read: then an unknown id may be its.
    pub lost_checks: bool,
}

/// A step, read.
#[derive(Debug)]
pub struct StepDraft {
    /// The heading.
    pub title: String,
    /// Where the heading stands.
    pub span: Span,
    /// The prose before the first command or check.
    pub why: String,
    /// Whether it is told in one line.
    pub quiet: bool,
    /// Commands and checks, in order.
    pub items: Vec<Item>,
    /// What must fail without the mechanism.
    pub counterfactuals: Vec<CounterfactualDraft>,
}

/// A counterfactual, read.
#[derive(Debug)]
pub struct CounterfactualDraft {
    /// The heading, beginning in lower case.
    pub title: String,
    /// Where the heading stands.
    pub span: Span,
    /// Takes the mechanism away.
    pub take_away: Vec<Item>,
    /// Ids of the checks that must turn; `None` before the fence.
    pub fails: Option<Vec<Located<String>>>,
    /// Puts it back.
    pub undo: Vec<Item>,
}

/// A command or a check, with the names that must be known elsewhere.
#[derive(Debug)]
pub struct Item {
    /// What will be run.
    pub action: Action,
    /// Namespaces that it names.
    pub namespaces: Vec<Located<String>>,
    /// Values that it uses.
    pub uses: Vec<Located<String>>,
    /// Names of values that are known after it.
    pub gives: Vec<String>,
    /// For a check: what other checks and commands it names.
    pub references: Option<References>,
}

/// What a check names.
#[derive(Debug)]
pub struct References {
    /// The author's id, if there is one.
    pub id: Option<Located<String>>,
    /// The control of a negative check.
    pub control: Option<Located<String>>,
    /// The background command that the probe is about.
    pub background: Option<Located<String>>,
}

impl Item {
    /// The check, if it is one.
    pub fn check(&self) -> Option<(&Check, &References)> {
        match (&self.action, &self.references) {
            (Action::Check(check), Some(references)) => Some((check, references)),
            _ => None,
        }
    }
}
