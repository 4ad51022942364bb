//! `netlab man`

use std::io;
use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::error::{Error, Exit, Hint};
use crate::report::print;

/// Print the manual page
///
/// `netlab man | man -l -` shows it where `man` is. Every verb has a page of its own, which
/// `--output` writes as well: `netlab-up.1` and so on, for packages.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write the pages of netlab and of every verb into this folder instead
    #[arg(long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
}

/// The pages could not be written.
#[derive(Debug, thiserror::Error)]
#[error("can't write the manual pages into `{}`", folder.display())]
struct NotWritten {
    /// Where to.
    folder: PathBuf,
    /// What the system says.
    source: io::Error,
}

impl Hint for NotWritten {
    fn hint(&self) -> String {
        "name a folder that you may write to, on a disk that has space".to_owned()
    }

    fn exit(&self) -> Exit {
        Exit::HostLacks
    }
}

/// Runs the verb.
///
/// # Errors
/// The folder can't be written, or standard output is closed.
pub fn run(args: Args) -> Result<Exit, Error> {
    if let Some(folder) = args.output {
        std::fs::create_dir_all(&folder)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), &folder))
            .map_err(|source| NotWritten { folder, source })?;
    } else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page).map_err(print::OutputError::from)?;
        print::bytes(&page)?;
    }
    Ok(Exit::Good)
}
