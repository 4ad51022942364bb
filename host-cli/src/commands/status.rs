//! `netlab status`

use futures::TryStreamExt as _;
use serde::Serialize;

use crate::agent::Session;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::group;
use crate::instance::{Holder, LabLock, Name};
use crate::platform::Architecture;
use crate::provider::{Status, Tier};
use crate::report::print;
use crate::ssh::Connection;

/// Show the guests and what runs in them
///
/// All of them, or those that `--name` names.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// One instance, as `--json` shows it.
#[derive(Serialize)]
struct Row {
    name: String,
    up: bool,
    /// Whether another netlab is starting it.
    starting: bool,
    address: Option<String>,
    arch: Option<Architecture>,
    accelerator: Option<String>,
    /// How netlab started it, if it did.
    start: Option<&'static str>,
    /// Id of a lab that stands in the guest.
    lab: Option<String>,
    /// The netlab that runs a lab in it or swaps it right now, if one does.
    running: Option<Holder>,
    /// Why the agent did not answer, or why the machine could not be looked for, if that is so.
    problem: Option<String>,
}

/// Runs the verb.
///
/// # Errors
/// The instances' folder can't be read.
pub async fn run(_: Args, context: &Context) -> Result<Exit, Error> {
    let mut names = context.home.instances()?;
    if context.options.name != Name::DEFAULT {
        let wanted = group::members(context)?;
        names.retain(|name| wanted.contains(name));
    }
    let looks = group::each(context, &names, async |guest| row(&guest).await);
    let rows: Vec<_> = looks.try_collect().await?;
    if context.options.json {
        print::json("status", &rows)?;
        return Ok(Exit::Good);
    }
    if rows.is_empty() {
        print::text("no guest is up; `netlab up` starts one\n")?;
        return Ok(Exit::Good);
    }
    let cells = |row: &Row| {
        let state = match (row.up, row.starting) {
            (true, _) => "up",
            (false, true) => "starting",
            (false, false) => "down",
        };
        let lab = row.running.as_ref().map(in_words).or(row.lab.clone()).or(row.problem.clone());
        let dash = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            row.name.clone(),
            state.to_owned(),
            row.arch.map_or("-", Architecture::name).to_owned(),
            dash(&row.accelerator),
            row.start.unwrap_or("-").to_owned(),
            dash(&row.address),
            dash(&lab),
        ]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    print::table(&["NAME", "STATE", "ARCH", "ACCEL", "START", "SSH", "LAB"], &rows)?;
    Ok(Exit::Good)
}

fn in_words(holder: &Holder) -> String {
    match holder {
        Holder { pid, lab: Some(lab) } => format!("{lab} (running, process {pid})"),
        Holder { pid, lab: None } => format!("being swapped (process {pid})"),
    }
}

async fn row(context: &Context) -> Result<Row, Error> {
    let provider = context.provider()?;
    let status = context.cancel.guard(provider.status(&context.reporter)).await;
    let mut row = Row {
        name: context.options.name.clone(),
        up: false,
        starting: false,
        address: None,
        arch: None,
        accelerator: None,
        start: None,
        lab: None,
        running: None,
        problem: None,
    };
    let status = match status {
        // The way to a machine of the user's is theirs to change: the others are shown all the same.
        Err(error) if provider.machine().emulator().is_none() && !context.cancel.is_cancelled() => {
            row.problem = Some(error.to_string());
            return Ok(row);
        }
        other => other?,
    };
    row.running = LabLock::holder(&context.paths()?)?;
    row.starting = status == Status::Starting;
    if let Status::Up(endpoint) = status {
        row.up = true;
        row.address = Some(endpoint.address.to_string());
        row.arch = Some(endpoint.architecture);
        row.accelerator.clone_from(&endpoint.accelerator);
        row.start = endpoint.tier.map(Tier::name);
        let hello = async {
            let connection = Connection::for_agent(&endpoint).await?;
            let session = Session::open(&connection, endpoint.architecture).await?;
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use clap::Parser as _;

    use super::*;
    use crate::cancel::Canceller;
    use crate::cli::Cli;
    use crate::died::Entered;
    use crate::instance::{Home, InstanceLock, Patience};
    use crate::provider::ssh::{Record, Target};
    use crate::report::{Reporter, Silent, Terminal};

    fn context(folder: &Path, words: &[&str]) -> Context {
        let (_canceller, cancel) = Canceller::new();
        Context {
            options: Cli::parse_from(words).options,
            home: Home::at(folder.to_owned()),
            terminal: Terminal::detect(),
            reporter: Reporter::new(Box::new(Silent)),
            cancel,
            entered: Entered::default(),
        }
    }

    #[tokio::test]
    async fn a_guest_that_another_netlab_starts_is_neither_up_nor_down() {
        let folder = tempfile::tempdir().unwrap();
        let context = context(folder.path(), &["netlab", "status"]);
        let paths = context.paths().unwrap();
        paths.create_folder().unwrap();
        let held = InstanceLock::acquire(&paths, Patience::UpTo(Duration::ZERO)).await.unwrap();
        let starting = row(&context).await.unwrap();
        assert!(starting.starting && !starting.up);
        drop(held);
        let down = row(&context).await.unwrap();
        assert!(!down.starting && !down.up);
    }

    #[tokio::test]
    async fn a_machine_that_can_not_be_looked_for_is_a_row_with_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        let context = context(folder.path(), &["netlab", "--name", "pi", "status"]);
        let paths = context.paths().unwrap();
        paths.create_folder().unwrap();
        // OpenSSH refuses this host.
        let target = Target { host: "-refused".to_owned(), config: None, vagrant: None };
        Record::new(target, Architecture::HOST).write(&paths).unwrap();
        let row = row(&context).await.unwrap();
        assert!(!row.up);
        let problem = row.problem.unwrap();
        assert!(problem.starts_with("OpenSSH can't tell how to reach `-refused`"), "{problem}");
    }
}
