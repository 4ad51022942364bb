//! From the blocks of a page to steps: which heading a fence belongs to, and in which order.

use super::check;
use super::draft::{CounterfactualDraft, Draft, StepDraft};
use super::fence::{self, Role, Shell};
use super::header;
use super::markdown::{Block, Fence};
use super::mistake::{Explain, Found};
use super::script;
use super::source::{Lines, Span};

/// How a counterfactual's heading begins.
const WITHOUT: &str = "Without ";

/// What can be wrong with the order of a page.
#[derive(Debug, thiserror::Error)]
pub enum OutlineMistake {
    /// No heading of the first level.
    #[error("the page has no title")]
    NoTitle,
    /// Two headings of the first level.
    #[error("a second title")]
    SecondTitle,
    /// No `toml lab` fence.
    #[error("the page has no `toml lab` fence")]
    NoLab,
    /// A `toml lab` fence that is not at the top.
    #[error("a `toml lab` fence in a step")]
    LabInStep,
    /// Two fences of which there may be one.
    #[error("a second `toml {table}` fence")]
    SecondTable { table: &'static str },
    /// A page without steps.
    #[error("the lab has no steps")]
    NoSteps,
    /// A fence before the first step.
    #[error("this fence belongs to no step")]
    OutsideStep,
    /// A `toml step` fence below the first command.
    #[error("a `toml step` fence below the first command or check")]
    LateStepTable,
    /// A step that does not say why.
    #[error("step `{title}` does not say why")]
    NoProse { title: String },
    /// A step that does nothing.
    #[error("step `{title}` has no command and no check")]
    EmptyStep { title: String },
    /// A heading of the third level that is no counterfactual's.
    #[error("a heading that netlab does not know")]
    UnknownHeading,
    /// A fence of netlab's in a list or a quotation.
    #[error("a fence that netlab runs stands inside a list or a quotation")]
    Nested,
    /// A fence that goes on to the end of the file.
    #[error("this fence is never closed")]
    Unclosed,
    /// `undo` in a step.
    #[error("`undo` outside of a counterfactual")]
    UndoInStep,
    /// A check or a step's table in a counterfactual.
    #[error("a `toml {table}` fence in a counterfactual")]
    TableInCounterfactual { table: &'static str },
    /// `toml fails` in a step.
    #[error("a `toml fails` fence outside of a counterfactual")]
    FailsInStep,
    /// A command between the failing checks and the undoing.
    #[error("a command without `undo` below `toml fails`")]
    LateTakeAway,
    /// An undoing before the failing checks.
    #[error("an `sh undo` fence above `toml fails`")]
    EarlyUndo,
    /// A counterfactual that takes nothing away.
    #[error("the counterfactual takes nothing away")]
    NoTakeAway,
    /// A counterfactual that proves nothing.
    #[error("the counterfactual does not say which checks must fail")]
    NoFails,
    /// A counterfactual that leaves the lab broken.
    #[error("the counterfactual does not put back what it takes away")]
    NoUndo,
}

impl Explain for OutlineMistake {
    fn cure(&self) -> String {
        match self {
            Self::NoTitle => "begin the page with `# What the lab is called`",
            Self::SecondTitle => "the heading of a step has two `#`: `## …`",
            Self::NoLab => "write below the title: a fence `toml lab` with `id` and `summary`",
            Self::LabInStep => "move it up, below the title",
            Self::SecondTable { .. } => "put both into one",
            Self::NoSteps => "write `## What is done`, a sentence of why, and a fence `sh`",
            Self::OutsideStep => "write a heading `## …` and a sentence of why above it",
            Self::LateStepTable => "move it up, below the heading",
            Self::NoProse { .. } => "write one to three sentences below the heading",
            Self::EmptyStep { .. } => {
                "add a fence `sh` or `toml check`, or make it prose of \
                                       another step"
            }
            Self::UnknownHeading => {
                "below a step stands `### Without …`, its counterfactual; \
                                     headings for the reader alone have four `#`"
            }
            Self::Nested => {
                "move it to the left margin, or name it `text` if it is only to be read"
            }
            Self::Unclosed => "close it with a line of as many backticks as open it",
            Self::UndoInStep => "leave `undo` out, or write a heading `### Without …` above",
            Self::TableInCounterfactual { .. } => {
                "move it above the `### Without …` heading; `toml fails` names checks by their id"
            }
            Self::FailsInStep => "write a heading `### Without …` above",
            Self::LateTakeAway => "write `sh undo`, or move it above `toml fails`",
            Self::EarlyUndo => "move it below `toml fails`",
            Self::NoTakeAway => "add a fence `sh` above `toml fails`",
            Self::NoFails => "add a fence `toml fails` with `checks = [\"…\"]`",
            Self::NoUndo => "add a fence `sh undo` at its end",
        }
        .to_owned()
    }
}

/// Puts a page's blocks in order.
pub fn outline(blocks: &[Block], lines: &Lines<'_>, found: &mut Found) -> Draft {
    let mut outline = Outline { lines, found, draft: Draft::default(), step: None, had_lab: false };
    for block in blocks {
        match block {
            Block::Heading { level: 1, text, span } => outline.title(text, span),
            Block::Heading { level: 2, text, span } => outline.open_step(text, span),
            Block::Heading { level: 3, text, span } => outline.open_counterfactual(text, span),
            Block::Heading { .. } => {}
            Block::Prose(text) => outline.prose(text),
            Block::Fence(fence) => outline.fence(fence),
        }
    }
    outline.finish()
}

struct Outline<'a> {
    lines: &'a Lines<'a>,
    found: &'a mut Found,
    draft: Draft,
    /// The step that is open.
    step: Option<Open>,
    had_lab: bool,
}

/// A step while its fences are read.
struct Open {
    draft: StepDraft,
    /// Whether a command or check has been seen: then prose is no longer the why.
    begun: bool,
    had_table: bool,
}

impl Outline<'_> {
    fn title(&mut self, text: &str, span: &Span) {
        if self.draft.title.is_some() {
            self.found.push(span.clone(), OutlineMistake::SecondTitle);
        } else {
            self.draft.title = Some(text.to_owned());
        }
    }

    fn open_step(&mut self, text: &str, span: &Span) {
        self.close_step();
        let draft = StepDraft {
            title: text.to_owned(),
            span: span.clone(),
            why: String::new(),
            quiet: false,
            items: Vec::new(),
            counterfactuals: Vec::new(),
        };
        self.step = Some(Open { draft, begun: false, had_table: false });
    }

    fn open_counterfactual(&mut self, text: &str, span: &Span) {
        match (text.strip_prefix(WITHOUT), &mut self.step) {
            (Some(rest), Some(open)) => {
                open.begun = true;
                open.draft.counterfactuals.push(CounterfactualDraft {
                    title: format!("without {}", rest.trim()),
                    span: span.clone(),
                    take_away: Vec::new(),
                    fails: None,
                    undo: Vec::new(),
                });
            }
            (Some(_), None) => self.found.push(span.clone(), OutlineMistake::OutsideStep),
            (None, _) => self.found.push(span.clone(), OutlineMistake::UnknownHeading),
        }
    }

    fn prose(&mut self, text: &str) {
        if let Some(open) = self.step.as_mut().filter(|open| !open.begun) {
            if !open.draft.why.is_empty() {
                open.draft.why.push(' ');
            }
            open.draft.why.push_str(text);
        }
    }

    fn fence(&mut self, fence: &Fence) {
        let role = fence::role(fence, self.found);
        if role == Role::Page {
            return;
        }
        if fence.nested {
            self.found.push(fence.info_span(), OutlineMistake::Nested);
            return;
        }
        if !fence.closed {
            self.found.push(fence.info_span(), OutlineMistake::Unclosed);
        }
        match role {
            Role::Page => {}
            Role::Lab => self.lab(fence),
            Role::Step => self.step_table(fence),
            Role::Check => self.check(fence),
            Role::Fails => self.fails(fence),
            Role::Shell(shell) => self.shell(fence, &shell),
        }
    }

    fn lab(&mut self, fence: &Fence) {
        if self.step.is_some() {
            self.found.push(fence.info_span(), OutlineMistake::LabInStep);
        } else if self.had_lab {
            self.found.push(fence.info_span(), OutlineMistake::SecondTable { table: "lab" });
        }
        let header = header::lab(fence, self.found);
        if !self.had_lab {
            self.draft.header = header;
        }
        self.had_lab = true;
    }

    fn step_table(&mut self, fence: &Fence) {
        let quiet = header::step(fence, self.found);
        let mistake = match &mut self.step {
            None => OutlineMistake::OutsideStep,
            Some(open) if !open.draft.counterfactuals.is_empty() => {
                OutlineMistake::TableInCounterfactual { table: "step" }
            }
            Some(open) if open.had_table => OutlineMistake::SecondTable { table: "step" },
            Some(open) if open.begun => OutlineMistake::LateStepTable,
            Some(open) => {
                open.had_table = true;
                open.draft.quiet = quiet;
                return;
            }
        };
        self.found.push(fence.info_span(), mistake);
    }

    fn check(&mut self, fence: &Fence) {
        let item = check::check(fence, self.lines, self.found);
        self.draft.lost_checks |= item.is_none();
        let Some(open) = &mut self.step else {
            return self.found.push(fence.info_span(), OutlineMistake::OutsideStep);
        };
        open.begun = true;
        if !open.draft.counterfactuals.is_empty() {
            let mistake = OutlineMistake::TableInCounterfactual { table: "check" };
            self.found.push(fence.info_span(), mistake);
        }
        // It is kept all the same: its id is known, and its own mistakes are told.
        open.draft.items.extend(item);
    }

    fn fails(&mut self, fence: &Fence) {
        // A table that can't be read is there all the same: its absence would be a wrong mistake.
        let checks = check::fails(fence, self.found).unwrap_or_default();
        let open = self.step.as_mut().and_then(|open| open.draft.counterfactuals.last_mut());
        let mistake = match open {
            None => OutlineMistake::FailsInStep,
            Some(open) if open.fails.is_some() => OutlineMistake::SecondTable { table: "fails" },
            Some(open) => {
                open.fails = Some(checks);
                return;
            }
        };
        self.found.push(fence.info_span(), mistake);
    }

    fn shell(&mut self, fence: &Fence, shell: &Shell) {
        let items = script::items(fence, shell, self.lines, self.found);
        let Some(open) = &mut self.step else {
            return self.found.push(fence.info_span(), OutlineMistake::OutsideStep);
        };
        open.begun = true;
        let Some(counterfactual) = open.draft.counterfactuals.last_mut() else {
            if let Some(undo) = &shell.undo {
                self.found.push(undo.clone(), OutlineMistake::UndoInStep);
            }
            return open.draft.items.extend(items);
        };
        match (&shell.undo, counterfactual.fails.is_some()) {
            (None, false) => counterfactual.take_away.extend(items),
            (Some(_), true) => counterfactual.undo.extend(items),
            (None, true) => self.found.push(fence.info_span(), OutlineMistake::LateTakeAway),
            (Some(undo), false) => {
                self.found.push(undo.clone(), OutlineMistake::EarlyUndo);
                counterfactual.undo.extend(items);
            }
        }
    }

    fn close_step(&mut self) {
        let Some(Open { draft, begun, .. }) = self.step.take() else {
            return;
        };
        let (span, title) = (draft.span.clone(), draft.title.clone());
        if draft.why.is_empty() {
            self.found.push(span.clone(), OutlineMistake::NoProse { title: title.clone() });
        }
        if !begun {
            self.found.push(span, OutlineMistake::EmptyStep { title });
        }
        for counterfactual in &draft.counterfactuals {
            let missing = [
                (counterfactual.take_away.is_empty(), OutlineMistake::NoTakeAway),
                (counterfactual.fails.is_none(), OutlineMistake::NoFails),
                (counterfactual.undo.is_empty(), OutlineMistake::NoUndo),
            ];
            for (_, mistake) in missing.into_iter().filter(|(missing, _)| *missing) {
                self.found.push(counterfactual.span.clone(), mistake);
            }
        }
        self.draft.steps.push(draft);
    }

    fn finish(mut self) -> Draft {
        self.close_step();
        if self.draft.title.is_none() {
            self.found.push(0..0, OutlineMistake::NoTitle);
        }
        if !self.had_lab {
            self.found.push(0..0, OutlineMistake::NoLab);
        }
        if self.draft.steps.is_empty() {
            self.found.push(0..0, OutlineMistake::NoSteps);
        }
        self.draft
    }
}
