//! `netlab list`

use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::lab;
use crate::report::print;

/// List the labs
#[derive(Debug, clap::Args)]
pub struct Args {}

/// One lab, as `--json` shows it.
#[derive(Serialize)]
struct Row {
    number: u32,
    id: String,
    title: String,
    summary: String,
    minutes: u32,
    steps: usize,
}

/// Runs the verb.
///
/// # Errors
/// Standard output is closed.
pub fn run(_: Args, context: &Context) -> Result<Exit, Error> {
    let mut rows = Vec::new();
    for builtin in lab::builtin() {
        let lab = lab::parse(&builtin.source())?;
        rows.push(Row {
            number: builtin.number,
            steps: lab.shown_steps(),
            id: lab.id,
            title: lab.title,
            summary: lab.summary,
            minutes: lab.minutes,
        });
    }
    if context.options.json {
        print::json("labs", &rows)?;
        return Ok(Exit::Good);
    }
    for row in &rows {
        print::text(&format!(
            "{}  {}\n   {}\n   {} steps, about {} minutes: `netlab demo {}`\n",
            row.number, row.title, row.summary, row.steps, row.minutes, row.number
        ))?;
    }
    Ok(Exit::Good)
}
