//! `netlab logs`

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use netlab_protocol::AGENT_JOURNAL;
use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Exit, Hint};
use crate::provider::Status;
use crate::report::{harmless, print};
use crate::ssh::Connection;

/// The log that is kept in the guest.
const AGENT: &str = "agent";

/// Most of a log that is shown, in bytes: a guest can write on its console without end, and QEMU
/// puts all of it into the file.
const SHOWN_BYTES: u64 = 1 << 20;

/// Show the guest's logs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which log (serial, qemu, agent); without it, all of them
    pub log: Option<String>,
    /// Print where the files are instead of what is in them
    #[arg(long)]
    pub path: bool,
}

/// One log, as `--json` shows it.
#[derive(Serialize)]
struct Row {
    log: &'static str,
    path: String,
    text: Option<String>,
}

/// A log that can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is no log of this name.
    #[error("there is no log `{log}`")]
    Unknown {
        /// What was asked for.
        log: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// The file can't be read.
    #[error("could not read {path}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}

impl Hint for LogError {
    fn hint(&self) -> String {
        match self {
            Self::Unknown { known, .. } => format!("choose one of: {}", known.join(", ")),
            Self::Unreadable { .. } => "check the permissions of the file".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Unknown { .. } => Exit::Usage,
            Self::Unreadable { .. } => Exit::HostLacks,
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// [`LogError`].
pub async fn run(args: Args, context: &Context) -> Result<Exit, Error> {
    let logs = context.provider()?.logs();
    let known: Vec<_> = logs.iter().map(|log| log.name).chain([AGENT]).collect();
    if let Some(wanted) = &args.log
        && !known.contains(&wanted.as_str())
    {
        return Err(LogError::Unknown { log: wanted.clone(), known }.into());
    }
    let mut rows = Vec::new();
    for log in logs.iter().filter(|log| args.log.as_deref().is_none_or(|name| name == log.name)) {
        let path = log.path.display().to_string();
        let text = match end_of(&log.path) {
            Ok((0, bytes)) => Some(harmless_lines(&bytes)),
            Ok((left_out, bytes)) => {
                let text = harmless_lines(&bytes);
                Some(format!("(the first {left_out} bytes are left out)\n{text}"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(LogError::Unreadable { path, source }.into()),
        };
        rows.push(Row { log: log.name, path, text });
    }
    if args.log.as_deref().is_none_or(|name| name == AGENT) {
        rows.push(agent_row(context).await?);
    }
    if context.options.json {
        print::json("logs", &rows)?;
        return Ok(Exit::Good);
    }
    for row in &rows {
        if args.path {
            print::text(&format!("{}\n", row.path))?;
            continue;
        }
        if args.log.is_none() {
            print::text(&format!("== {} ({})\n", row.log, row.path))?;
        }
        print::text(row.text.as_deref().unwrap_or("(nothing was written)\n"))?;
    }
    Ok(Exit::Good)
}

/// The agent's journal, which lies in the guest: there is none once the guest is gone.
async fn agent_row(context: &Context) -> Result<Row, Error> {
    let mut row = Row { log: AGENT, path: format!("guest:{AGENT_JOURNAL}"), text: None };
    if let Status::Up(endpoint) =
        context.cancel.guard(context.provider()?.status(&context.reporter)).await?
    {
        context.entered.note(&endpoint);
        let read = async {
            let connection = Connection::open(&endpoint).await?;
            connection.output(&format!("cat {AGENT_JOURNAL} 2>/dev/null")).await
        };
        let bytes = context.cancel.guard(read).await?;
        row.text = Some(harmless_lines(&bytes)).filter(|text| !text.is_empty());
    }
    Ok(row)
}

/// The end of a log, and how many bytes come before it.
fn end_of(path: &Path) -> io::Result<(u64, Vec<u8>)> {
    let mut file = File::open(path)?;
    let left_out = file.metadata()?.len().saturating_sub(SHOWN_BYTES);
    file.seek(SeekFrom::Start(left_out))?;
    let mut bytes = Vec::new();
    // The guest may write on meanwhile, and faster than we read.
    file.take(SHOWN_BYTES).read_to_end(&mut bytes)?;
    Ok((left_out, bytes))
}

/// A log as text. What a guest writes must not drive the learner's terminal.
fn harmless_lines(bytes: &[u8]) -> String {
    bytes.split(|&byte| byte == b'\n').map(harmless).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flooded_console_only_the_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serial.log");
        std::fs::write(&path, b"short").unwrap();
        assert_eq!(end_of(&path).unwrap(), (0, b"short".to_vec()));
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(SHOWN_BYTES + 7).unwrap();
        let (left_out, bytes) = end_of(&path).unwrap();
        assert_eq!((left_out, bytes.len() as u64), (7, SHOWN_BYTES));
    }
}
