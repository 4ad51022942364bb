//! `netlab checkpoint`

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::provider::checkpoint::{Checkpoint, Forget, Label, Occasion, Saved, Wanted};
use crate::report::{print, size};

/// Save the guest whole, or list what was saved
///
/// Memory, processes, namespaces, the switch and leases: `netlab back` brings all of it back. The
/// guest runs on. Checkpoints hold the guest's keys, and stay until `--remove` or `netlab down
/// --purge`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the checkpoint instead of the next number
    #[arg(conflicts_with_all = ["list", "remove"])]
    pub label: Option<String>,
    /// List the checkpoints of the guest, oldest first
    #[arg(long, conflicts_with = "remove")]
    pub list: bool,
    /// Remove a checkpoint
    #[arg(long, value_name = "LABEL")]
    pub remove: Option<String>,
}

/// A checkpoint, as `--json` shows it.
#[derive(Serialize)]
pub struct Row {
    label: String,
    /// Seconds since 1970-01-01 00:00 UTC.
    made: Option<u64>,
    bytes: u64,
    /// Id of the lab before one of whose steps it was made.
    lab: Option<String>,
    problem: Option<String>,
}

impl From<Checkpoint> for Row {
    fn from(checkpoint: Checkpoint) -> Self {
        let Checkpoint { label, occasion, made, bytes, problem } = checkpoint;
        let lab = match occasion {
            Some(Occasion::Step { lab, .. }) => Some(lab),
            Some(Occasion::Asked) | None => None,
        };
        Self { label: label.into(), made, bytes, lab, problem }
    }
}

/// A new checkpoint, as `--json` shows it.
#[derive(Serialize)]
struct SavedRow {
    #[serde(flatten)]
    checkpoint: Row,
    paused_millis: u64,
    millis: u64,
}

/// Runs the verb.
///
/// # Errors
/// The guest is not up or can't be saved, a label that is taken or unknown.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Error> {
    let provider = context.provider()?;
    let emulator = provider.machine().own("checkpoint")?;
    let json = context.options.json;
    if args.list {
        list(json, emulator.checkpoints()?)?;
        return Ok(Exit::Good);
    }
    if let Some(label) = args.remove {
        let labels = emulator.forget(&Forget::One(label.parse::<Label>()?)).await?;
        let words: Vec<_> = labels.iter().map(|label| format!("checkpoint `{label}`")).collect();
        print::removed(json, &words, "there was none")?;
        return Ok(Exit::Good);
    }
    let label = args.label.map(|label| label.parse::<Label>()).transpose()?;
    // Not cut short by Ctrl-C: it takes a second, and the guest must not be left standing still.
    let saved = emulator.save(Wanted::Asked(label), &context.reporter).await?;
    let Saved { checkpoint, paused, took } = saved;
    if json {
        let (paused_millis, millis) = (millis(paused), millis(took));
        print::json(
            "checkpoint",
            &SavedRow { checkpoint: checkpoint.into(), paused_millis, millis },
        )?;
        return Ok(Exit::Good);
    }
    let Checkpoint { label, bytes, .. } = checkpoint;
    print::text(&format!(
        "checkpoint `{label}`: {} in {:.1} s, the guest stood still for {:.2} s\n\
         bring it back with `netlab back {label}`\n",
        size(bytes),
        took.as_secs_f64(),
        paused.as_secs_f64()
    ))?;
    Ok(Exit::Good)
}

fn list(json: bool, checkpoints: Vec<Checkpoint>) -> Result<(), Error> {
    if json {
        let rows: Vec<Row> = checkpoints.into_iter().map(Row::from).collect();
        return Ok(print::json("checkpoints", &rows)?);
    }
    if checkpoints.is_empty() {
        return Ok(print::text("no checkpoint; `netlab checkpoint` makes one\n")?);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let cells = |checkpoint: &Checkpoint| {
        let ago = checkpoint.made.map(|made| now.as_secs().saturating_sub(made));
        let what = match (&checkpoint.occasion, &checkpoint.problem) {
            (_, Some(problem)) => problem.clone(),
            (Some(Occasion::Step { lab, .. }), None) => format!("before a step of lab `{lab}`"),
            (Some(Occasion::Asked) | None, None) => "yours".to_owned(),
        };
        vec![
            checkpoint.label.to_string(),
            ago.map_or_else(|| "-".to_owned(), age),
            size(checkpoint.bytes),
            what,
        ]
    };
    let rows: Vec<_> = checkpoints.iter().map(cells).collect();
    Ok(print::table(&["LABEL", "MADE", "SIZE", "WHAT"], &rows)?)
}

/// How long ago something was, in its greatest unit.
pub(super) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86400),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_greatest_unit() {
        let ages = [(59, "59 s ago"), (61, "1 min ago"), (7200, "2 h ago"), (200_000, "2 d ago")];
        for (seconds, words) in ages {
            assert_eq!(age(seconds), words);
        }
    }
}
