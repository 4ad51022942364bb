//! `netlab image prune`

use serde::Serialize;

use super::list::Row;
use crate::context::Context;
use crate::error::Error;
use crate::provider;
use crate::report::{Event, print, size};
use crate::stock;

/// What was removed, as `--json` shows it.
#[derive(Serialize)]
struct Pruned {
    removed: Vec<Row>,
    bytes: u64,
}

/// Removes what no start takes any more, and says what that freed.
///
/// # Errors
/// What can't be removed.
pub(super) async fn run(all: bool, context: &Context) -> Result<(), Error> {
    // First, so that the memory of a half-made template is nobody's.
    for text in provider::clear_leftovers(context).await? {
        context.reporter.emit(Event::Note { text: format!("ended {text}") });
    }
    let removed: Vec<Row> = stock::prune(context, all)?.into_iter().map(Row::from).collect();
    let bytes = removed.iter().map(Row::bytes).sum();
    let pruned = Pruned { removed, bytes };
    if context.options.json {
        return Ok(print::json("pruned", &pruned)?);
    }
    let lines: String =
        pruned.removed.iter().map(|row| format!("removed {}\n", row.words())).collect();
    let end = match pruned.removed.is_empty() {
        true => "nothing to remove".to_owned(),
        false => format!("{} freed", size(bytes)),
    };
    Ok(print::text(&format!("{lines}{end}\n"))?)
}
