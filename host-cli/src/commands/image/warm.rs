//! `netlab image warm`

use serde::Serialize;

use crate::context::Context;
use crate::doctor::offer;
use crate::error::Error;
use crate::provider;
use crate::report::print;

/// What the next start goes on from, as `--json` shows it.
#[derive(Serialize)]
struct Row {
    key: String,
    path: String,
    start: &'static str,
}

/// Makes sure that the next start has a saved guest to go on from.
///
/// # Errors
/// Guests can only be booted here, or what keeps one from being saved.
pub(super) async fn run(context: &Context) -> Result<(), Error> {
    offer::qemu(context).await?;
    let warm = context.cancel.guard(provider::warm(context)).await?;
    let (path, start) = (warm.folder.display().to_string(), warm.tier.name());
    if context.options.json {
        print::json("warm", &Row { key: warm.key, path, start })?;
    } else {
        print::text(&format!("the next start is a {start} of {path}\n"))?;
    }
    Ok(())
}
