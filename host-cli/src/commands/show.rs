//! `netlab show`

use std::io::{IsTerminal as _, stdout};

use crate::bundled;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::lab;
use crate::report::{harmless, print};

/// Show a lab as its author wrote it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A lab of `netlab list` by number or id, one of a bundle by id, or a file of your own
    pub lab: String,
}

/// Runs the verb.
///
/// # Errors
/// No such lab, or a mistake in it.
pub fn run(args: Args, context: &Context) -> Result<Exit, Error> {
    let source = bundled::lab(&args.lab, context)?;
    let plan = lab::parse(&source)?.plan();
    if context.options.json {
        print::json("lab", &plan)?;
    } else {
        print::text(&shown(source.text))?;
    }
    Ok(Exit::Good)
}

/// A file from elsewhere must not drive the terminal; where it goes into a file, it stays as it is.
fn shown(text: String) -> String {
    if !stdout().is_terminal() {
        return text;
    }
    text.lines().flat_map(|line| [harmless(line.as_bytes()), "\n".to_owned()]).collect()
}
