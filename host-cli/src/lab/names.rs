//! Names across the whole file: every namespace, value, check and background command that is
//! used must be there, and above the place where it is used.

use std::collections::BTreeMap;
use std::mem::discriminant;

use netlab_protocol::{Action, Check, Probe};

use super::draft::{Draft, Item, References};
use super::mistake::{Explain, Found, instead};
use super::name;
use super::source::{Lines, Located, Span};

/// What can be wrong with a name.
#[derive(Debug, thiserror::Error)]
pub enum NameMistake {
    /// A namespace that the lab does not declare.
    #[error("namespace `{name}` is not declared")]
    Namespace { name: String, known: Vec<String> },
    /// A value that nothing keeps.
    #[error("nothing keeps a value `${name}`")]
    Value { name: String, known: Vec<String> },
    /// A value that is kept too late.
    #[error("`${name}` is known only from line {line} on")]
    EarlyValue { name: String, line: u32 },
    /// A background command that nothing starts.
    #[error("no background command `{name}` is started above")]
    Background { name: String, known: Vec<String> },
    /// An id used twice.
    #[error("the id `{id}` is used already, on line {line}")]
    DuplicateId { id: String, line: u32 },
    /// A check that is not there.
    #[error("no check has the id `{id}`")]
    UnknownCheck { id: String, known: Vec<String> },
    /// A check that comes later.
    #[error("the check `{id}` stands below, on line {line}")]
    CheckBelow { id: String, line: u32 },
    /// A control that is itself a negative check.
    #[error("the control `{id}` is itself a check with `not = true`")]
    NegativeControl { id: String },
    /// A control with another probe.
    #[error("the control `{id}` is a `{control}` check, and this is a `{own}` check")]
    OtherControl { id: String, control: String, own: String },
}

impl Explain for NameMistake {
    fn cure(&self) -> String {
        match self {
            Self::Namespace { name, known } => match instead(name, known) {
                near if near.starts_with("did") => near,
                _ => format!("add `\"{name}\"` to `namespaces` in `toml lab`"),
            },
            Self::Value { name, known } => match instead(name, known) {
                near if near.starts_with("did") => near,
                _ => format!(
                    "add `keep={name}` to the fence of a command above, or `{name}` to `values` in \
                     `toml lab`"
                ),
            },
            Self::EarlyValue { .. } => "move this below that line".to_owned(),
            Self::Background { known, .. } if known.is_empty() => {
                "add `background=` and `ready=` to the fence of its command".to_owned()
            }
            Self::Background { name, known } => instead(name, known),
            Self::DuplicateId { .. } => "give this check another one".to_owned(),
            Self::UnknownCheck { id, known } => instead(id, known),
            Self::CheckBelow { .. } => {
                "move that check up: it must have succeeded before anything leans on it".to_owned()
            }
            Self::NegativeControl { .. } => {
                "name a check that succeeds: a control shows that the probe itself works".to_owned()
            }
            Self::OtherControl { own, .. } => {
                format!("name a `{own}` check: only the same probe shows that this one works")
            }
        }
    }
}

/// Judges every name of a lab, top to bottom.
pub fn judge(draft: &Draft, lines: &Lines<'_>, found: &mut Found) {
    let mut judge = Judge::new(draft, lines, found);
    for step in &draft.steps {
        for item in &step.items {
            judge.item(item);
        }
        for counterfactual in &step.counterfactuals {
            counterfactual.take_away.iter().for_each(|item| judge.item(item));
            for id in counterfactual.fails.iter().flatten() {
                judge.check_above(id);
            }
            counterfactual.undo.iter().for_each(|item| judge.item(item));
        }
    }
}

struct Judge<'a> {
    draft: &'a Draft,
    lines: &'a Lines<'a>,
    found: &'a mut Found,
    /// Checks with an id, wherever they stand; of two with one id, the first.
    checks: BTreeMap<&'a str, (&'a Check, &'a Span)>,
    /// Values that are known at the place that has been reached.
    values: Vec<String>,
    /// Background commands that have been started.
    backgrounds: Vec<String>,
}

impl<'a> Judge<'a> {
    fn new(draft: &'a Draft, lines: &'a Lines<'a>, found: &'a mut Found) -> Self {
        let mut checks = BTreeMap::new();
        for (check, references) in
            draft.steps.iter().flat_map(|step| &step.items).filter_map(Item::check)
        {
            if let Some(id) = &references.id {
                checks.entry(id.value.as_str()).or_insert((check, &id.span));
            }
        }
        let fixed = draft.header.iter().flat_map(|header| header.values.keys().cloned());
        let values = fixed.collect();
        Self { draft, lines, found, checks, values, backgrounds: Vec::new() }
    }

    fn item(&mut self, item: &Item) {
        for namespace in &item.namespaces {
            self.namespace(namespace);
        }
        for value in &item.uses {
            self.value(value);
        }
        if let Action::Start(background) = &item.action {
            self.backgrounds.push(background.name.clone());
        }
        self.values.extend(item.gives.iter().cloned());
        if let Some((check, references)) = item.check() {
            self.check(check, references);
        }
    }

    fn namespace(&mut self, Located { value: name, span }: &Located<String>) {
        // Without the `toml lab` fence nothing is declared, and that has been told.
        let Some(header) = &self.draft.header else {
            return;
        };
        let mut known: Vec<_> = header.namespaces.iter().map(|known| known.value.clone()).collect();
        known.push("root".to_owned());
        if !known.contains(name) {
            self.found.push(span.clone(), NameMistake::Namespace { name: name.clone(), known });
        }
    }

    fn value(&mut self, Located { value: name, span }: &Located<String>) {
        if self.values.contains(name) || self.draft.header.is_none() {
            return;
        }
        let name = name.clone();
        let later = self.items_below(span.start).find(|item| item.gives.contains(&name));
        let mistake = match later {
            Some(item) => NameMistake::EarlyValue { name, line: action_line(&item.action) },
            None => NameMistake::Value { name, known: self.values.clone() },
        };
        self.found.push(span.clone(), mistake);
    }

    fn check(&mut self, check: &Check, references: &References) {
        if let Some(id) = &references.id
            && let Some((_, first)) = self.checks.get(id.value.as_str())
            && *first != &id.span
        {
            let line = self.lines.line(first.start);
            let mistake = NameMistake::DuplicateId { id: id.value.clone(), line };
            self.found.push(id.span.clone(), mistake);
        }
        if let Some(background) = &references.background
            && !self.backgrounds.contains(&background.value)
        {
            let (name, known) = (background.value.clone(), self.backgrounds.clone());
            self.found.push(background.span.clone(), NameMistake::Background { name, known });
        }
        let Some(id) = references.control.as_ref().filter(|_| check.negative) else {
            return;
        };
        let Some(control) = self.check_above(id) else {
            return;
        };
        let span = id.span.clone();
        let id = id.value.clone();
        if control.negative {
            self.found.push(span, NameMistake::NegativeControl { id });
        } else if !same_kind(&control.probe, &check.probe) {
            let (control, own) = (kind(&control.probe), kind(&check.probe));
            self.found.push(span, NameMistake::OtherControl { id, control, own });
        }
    }

    /// Finds a check by its id, which must stand above the place that names it.
    fn check_above(&mut self, id: &Located<String>) -> Option<&'a Check> {
        let Some((check, at)) = self.checks.get(id.value.as_str()).copied() else {
            // It may be one of those that could not be read.
            if !self.draft.lost_checks {
                let known = self.checks.keys().map(|id| (*id).to_owned()).collect();
                let mistake = NameMistake::UnknownCheck { id: id.value.clone(), known };
                self.found.push(id.span.clone(), mistake);
            }
            return None;
        };
        if at.start > id.span.start {
            let line = self.lines.line(at.start);
            let mistake = NameMistake::CheckBelow { id: id.value.clone(), line };
            self.found.push(id.span.clone(), mistake);
            return None;
        }
        Some(check)
    }

    fn items_below(&self, offset: usize) -> impl Iterator<Item = &'a Item> {
        let line = self.lines.line(offset);
        let in_step = |step: &'a super::draft::StepDraft| {
            let counterfactuals = step.counterfactuals.iter();
            let theirs = counterfactuals.flat_map(|one| one.take_away.iter().chain(&one.undo));
            step.items.iter().chain(theirs)
        };
        let items = self.draft.steps.iter().flat_map(in_step);
        items.filter(move |item| action_line(&item.action) >= line)
    }
}

fn action_line(action: &Action) -> u32 {
    match action {
        Action::Run(command) => command.line,
        Action::Start(background) => background.line,
        Action::Check(check) => check.line,
    }
}

/// Whether a probe shows that another one works: an answered ping says nothing of TCP.
fn same_kind(one: &Probe, other: &Probe) -> bool {
    match (one, other) {
        (Probe::Reach(one), Probe::Reach(other)) => discriminant(one) == discriminant(other),
        _ => discriminant(one) == discriminant(other),
    }
}

/// Names a kind of probe as an author writes it.
fn kind(probe: &Probe) -> String {
    match probe {
        Probe::Reach(target) => match target.to_string().split_once(':') {
            Some((protocol, _)) => format!("reach = {protocol}:"),
            None => "reach".to_owned(),
        },
        _ => probe.kind().to_owned(),
    }
}

/// Gives every check without an id one, made from its claim.
pub fn complete_ids(draft: &mut Draft) {
    let items = || draft.steps.iter().flat_map(|step| &step.items);
    let mut taken: Vec<String> = items()
        .filter_map(Item::check)
        .filter_map(|(_, references)| references.id.as_ref().map(|id| id.value.clone()))
        .collect();
    for item in draft.steps.iter_mut().flat_map(|step| &mut step.items) {
        let Action::Check(check) = &mut item.action else {
            continue;
        };
        if !check.id.is_empty() {
            continue;
        }
        let base = name::id_of(&check.claim);
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        let free = std::iter::once(base.clone()).chain(numbered).find(|id| !taken.contains(id));
        check.id = free.unwrap_or(base);
        taken.push(check.id.clone());
    }
}
