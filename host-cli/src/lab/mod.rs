//! Labs: from a page of Markdown to a plan, and every mistake of the page before a guest starts.
//!
//! The way of a file: `catalogue` finds it, `markdown` cuts it into blocks, `outline` puts them
//! under their headings with the help of `fence` (the words after the backticks), `script`
//! (commands), `check` and `header` (tables), `names` judges what is named across the file, and
//! `model` makes the plan. Nothing here touches a guest; `labs/README.md` is the reference.

mod catalogue;
mod check;
mod draft;
mod duration;
mod fence;
mod header;
mod markdown;
mod mistake;
mod model;
mod name;
mod names;
mod outline;
mod probe_names;
mod script;
mod shell;
mod source;
mod table;

#[cfg(test)]
mod tests;

pub use catalogue::{LabError, builtin, find};
pub use mistake::Mistakes;
pub use model::Lab;
pub use source::Source;

use mistake::{Explain, Found};
use netlab_protocol::{FrameError, MAX_FRAME_BYTES, Request, encode};
use source::Lines;

/// The plan has no room in the one message that takes it to the guest.
#[derive(Debug, thiserror::Error)]
#[error("the lab's plan has {length} bytes, and {MAX_FRAME_BYTES} are the limit")]
struct PlanTooLarge {
    length: usize,
}

impl Explain for PlanTooLarge {
    fn cure(&self) -> String {
        "shorten its commands, or make two labs of it".to_owned()
    }
}

/// Understands a lab file.
///
/// # Errors
/// [`Mistakes`]: all of them, rendered.
pub fn parse(source: &Source) -> Result<Lab, Mistakes> {
    let mut found = Found::default();
    let lines = Lines::new(&source.text);
    let blocks = markdown::blocks(&source.text);
    let mut draft = outline::outline(&blocks, &lines, &mut found);
    names::judge(&draft, &lines, &mut found);
    names::complete_ids(&mut draft);
    let lab = Lab::from_draft(draft);
    let opened = lab.as_ref().map(|lab| encode(&Request::Open(Box::new(lab.plan()))));
    if let Some(Err(FrameError::TooLarge { length })) = opened {
        found.push(0..source.text.lines().next().map_or(0, str::len), PlanTooLarge { length });
    }
    match lab {
        Some(lab) if found.is_empty() => Ok(lab),
        _ => Err(found.into_mistakes(source)),
    }
}
