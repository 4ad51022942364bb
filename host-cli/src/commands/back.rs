//! `netlab back`

use std::time::Instant;

use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::guest::Guest;
use crate::instance::LabLock;
use crate::provider::checkpoint::{Back, Label};
use crate::report::print;

/// Bring a saved guest back
///
/// It takes the place of the guest that is up, whose state is lost, or of none, with the same name,
/// port and keys. Whatever is wrong with the checkpoint is said while the present guest runs on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A checkpoint of `netlab checkpoint --list` instead of your newest
    pub label: Option<String>,
}

/// What was brought back, as `--json` shows it.
#[derive(Serialize)]
struct Row {
    label: String,
    made: Option<u64>,
}

/// Runs the verb.
///
/// # Errors
/// There is no such checkpoint, it doesn't fit to this host, or the guest did not come up.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Error> {
    let started = Instant::now();
    let label = args.label.map(|label| label.parse::<Label>()).transpose()?;
    let paths = context.paths()?;
    let provider = context.provider()?;
    let emulator = provider.machine().own("back")?;
    // Without a folder there is no guest in which a lab could run.
    let _lab = LabLock::acquire(&paths, None).await?;
    // Not cut short by Ctrl-C, which would leave neither guest.
    let Back { endpoint, checkpoint } = emulator.back(label.as_ref(), &context.reporter).await?;
    let Guest { endpoint, .. } = Guest::reach(context, endpoint, started).await?;
    let (name, label) = (&endpoint.name, checkpoint.label);
    if context.options.json {
        let row = Row { label: label.to_string(), made: checkpoint.made };
        print::json("back", &row)?;
    } else {
        print::text(&format!("guest `{name}` is back at checkpoint `{label}`\n"))?;
    }
    Ok(Exit::Good)
}
