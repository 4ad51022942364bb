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

pub use catalogue::{builtin, find};
pub use mistake::Mistakes;
pub use model::Lab;
pub use source::Source;

use mistake::Found;
use source::Lines;

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
    match Lab::from_draft(draft) {
        Some(lab) if found.is_empty() => Ok(lab),
        _ => Err(found.into_mistakes(source)),
    }
}
