//! `netlab status`

use serde::Serialize;

use crate::agent::Session;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::provider::{self, Status};
use crate::report::print;
use crate::ssh::Connection;

/// Show the guests and what runs in them
#[derive(Debug, clap::Args)]
pub struct Args {}

/// One instance, as `--json` shows it.
#[derive(Serialize)]
struct Row {
    name: String,
    up: bool,
    address: Option<String>,
    accelerator: Option<String>,
    /// Id of a lab that stands in the guest.
    lab: Option<String>,
    /// Why the agent did not answer, if it did not.
    problem: Option<String>,
}

/// Runs the verb.
///
/// # Errors
/// The instances' folder can't be read.
pub async fn run(_: Args, context: &Context) -> Result<Exit, Error> {
    let mut rows = Vec::new();
    for name in context.home.instances()? {
        rows.push(row(context, &name).await?);
    }
    if context.options.json {
        print::json("status", &rows)?;
        return Ok(Exit::Good);
    }
    if rows.is_empty() {
        print::text("no guest is up; `netlab up` starts one\n")?;
        return Ok(Exit::Good);
    }
    let cells = |row: &Row| {
        let state = if row.up { "up" } else { "down" };
        let lab = row.lab.as_deref().or(row.problem.as_deref()).unwrap_or("-");
        let dash = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            row.name.clone(),
            state.to_owned(),
            dash(&row.accelerator),
            dash(&row.address),
            lab.to_owned(),
        ]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    print::table(&["NAME", "STATE", "ACCEL", "SSH", "LAB"], &rows)?;
    Ok(Exit::Good)
}

async fn row(context: &Context, name: &crate::instance::Name) -> Result<Row, Error> {
    let status = context.cancel.guard(provider::open(context, name).status()).await?;
    let mut row = Row {
        name: name.to_string(),
        up: false,
        address: None,
        accelerator: None,
        lab: None,
        problem: None,
    };
    if let Status::Up(endpoint) = status {
        row.up = true;
        row.address = Some(endpoint.address.to_string());
        row.accelerator = Some(endpoint.accelerator.clone());
        let hello = async {
            let session = Session::open(&Connection::open(&endpoint).await?).await?;
            Ok::<_, Error>(session.hello().clone())
        };
        match context.cancel.guard(hello).await {
            Ok(hello) => row.lab = hello.kept.or(hello.held),
            Err(error) if context.cancel.is_cancelled() => return Err(error),
            Err(error) => row.problem = Some(error.to_string()),
        }
    }
    Ok(row)
}
