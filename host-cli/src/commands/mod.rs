//! The verbs, one file each: an `Args` whose words are the help text, and a `run` that calls
//! modules and prints.

pub mod back;
pub mod bundle;
pub mod checkpoint;
pub mod completions;
pub mod demo;
pub mod doctor;
pub mod down;
pub mod exec;
pub mod image;
pub mod list;
pub mod logs;
pub mod man;
pub mod reset;
pub mod shell;
pub mod show;
pub mod ssh_config;
pub mod status;
pub mod up;

use crate::cli::Verb;
use crate::context::Context;
use crate::died;
use crate::error::{Error, Exit};
use crate::group;

/// Runs the verb that was typed.
///
/// # Errors
/// Whatever the verb met; `main` prints it.
pub async fn run(verb: Verb, context: &Context) -> Result<Exit, Error> {
    if one_guest_only(&verb) {
        group::single(context)?;
    }
    match dispatch(verb, context).await {
        Err(error) => Err(died::explain(error, context).await),
        exit => exit,
    }
}

async fn dispatch(verb: Verb, context: &Context) -> Result<Exit, Error> {
    match verb {
        Verb::Up(args) => up::run(args, context).await,
        Verb::Down(args) => down::run(args, context).await,
        Verb::Status(args) => status::run(args, context).await,
        Verb::List(args) => list::run(args, context),
        Verb::Show(args) => show::run(args, context),
        Verb::Demo(args) => demo::run(args, context).await,
        Verb::Reset(args) => reset::run(args, context).await,
        Verb::Checkpoint(args) => checkpoint::run(args, context).await,
        Verb::Back(args) => back::run(args, context).await,
        Verb::Exec(args) => exec::run(args, context).await,
        Verb::Shell(args) => shell::run(args, context).await,
        Verb::SshConfig(args) => ssh_config::run(args, context).await,
        Verb::Logs(args) => logs::run(args, context).await,
        Verb::Doctor(args) => doctor::run(args, context).await,
        Verb::Image(verb) => image::run(verb, context).await,
        Verb::Bundle(args) => bundle::run(args, context).await,
        Verb::Completions(args) => completions::run(args),
        Verb::Man(args) => man::run(args),
    }
}

/// Whether a verb can't be done in several guests at a time.
fn one_guest_only(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Demo(_) | Verb::Shell(_) | Verb::Logs(_) | Verb::Checkpoint(_) | Verb::Back(_)
    )
}
