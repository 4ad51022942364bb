//! What verbs print at their end: text or one JSON line on standard output, errors on standard
//! error. Together with the renderers the only place that writes to either.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use super::json::{JSON_VERSION, one_line};
use super::{Event, Reporter, harmless, table};
use crate::error::{Error, Exit, Hint};
use crate::platform::Platform;
use crate::ssh::Captured;

/// Standard output could not be written.
#[derive(Debug, thiserror::Error)]
#[error("could not write to standard output")]
pub struct OutputError(#[from] io::Error);

impl Hint for OutputError {
    fn hint(&self) -> String {
        "check what standard output is connected to, and the space on its disk".to_owned()
    }

    fn exit(&self) -> Exit {
        // `netlab list | head -1` ends like this, and there is nothing wrong with it.
        if self.0.kind() == io::ErrorKind::BrokenPipe { Exit::Good } else { Exit::HostLacks }
    }
}

/// One JSON line of a verb.
#[derive(Serialize)]
struct Line<'a, T> {
    v: u32,
    event: &'a str,
    data: &'a T,
}

/// Writes bytes to standard output as they are.
///
/// # Errors
/// [`OutputError`].
pub fn bytes(bytes: &[u8]) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}

/// Writes text to standard output.
///
/// # Errors
/// [`OutputError`].
pub fn text(text: &str) -> Result<(), OutputError> {
    bytes(text.as_bytes())
}

/// Writes text in which are words of others, such as a machine's about itself: made harmless, line by line.
///
/// # Errors
/// [`OutputError`].
pub fn foreign(words: &str) -> Result<(), OutputError> {
    text(&fit(words))
}

/// Writes `{"v":…,"event":…,"data":…}` as one line.
///
/// # Errors
/// [`OutputError`].
pub fn json<T: Serialize>(event: &str, data: &T) -> Result<(), OutputError> {
    let line = one_line(&Line { v: JSON_VERSION, event, data });
    text(&line.map_err(io::Error::from)?)
}

/// Writes aligned columns.
///
/// # Errors
/// [`OutputError`].
pub fn table(header: &[&str], rows: &[Vec<String>]) -> Result<(), OutputError> {
    let rows: Vec<Vec<_>> =
        rows.iter().map(|row| row.iter().map(|cell| in_cell(cell)).collect()).collect();
    text(&table::columns(header, &rows))
}

/// Writes a command line, quoted for a shell.
///
/// # Errors
/// [`OutputError`].
pub fn command_line(as_json: bool, command: &[String]) -> Result<(), OutputError> {
    if as_json {
        return json("command", &command);
    }
    text(&(Platform::HOST.typed(command) + "\n"))
}

/// Writes what was ended or removed, or `nothing` if that is nothing.
///
/// # Errors
/// [`OutputError`].
pub fn removed(as_json: bool, removed: &[String], nothing: &str) -> Result<(), OutputError> {
    if as_json {
        return json("removed", &removed);
    }
    if removed.is_empty() {
        return text(&format!("{nothing}\n"));
    }
    text(&removed.iter().map(|what| format!("ended {}\n", fit(what))).collect::<String>())
}

/// Writes what a command said in one guest of a group, under the guest's name and, unless it is 0, the
/// command's exit status: its output on standard output, its errors on standard error. On a terminal it is
/// made harmless, in a file or pipe it stays as it is.
///
/// # Errors
/// [`OutputError`].
pub fn captured(name: &str, captured: &Captured) -> Result<(), OutputError> {
    let Captured { status, stdout, stderr } = captured;
    let title = match status {
        0 => format!("== {name}\n"),
        status => format!("== {name} (exit status {status})\n"),
    };
    let whole = |output: &[u8], is_terminal: bool| {
        let output = if is_terminal { harmless_lines(output).into() } else { Cow::from(output) };
        [title.as_bytes(), &output, line_end(&output)].concat()
    };
    if !stderr.is_empty() {
        let mut error = io::stderr().lock();
        let is_terminal = error.is_terminal();
        error.write_all(&whole(stderr, is_terminal))?;
    }
    bytes(&whole(stdout, io::stdout().is_terminal()))
}

/// Writes a line of a program that runs elsewhere, for the user to see how it gets on, on standard error.
///
/// # Errors
/// [`OutputError`].
pub fn said(line: &[u8]) -> Result<(), OutputError> {
    Ok(writeln!(io::stderr(), "{}", harmless(line))?)
}

/// What is lacking at the end of output, so that the next guest's name begins a line.
fn line_end(output: &[u8]) -> &'static [u8] {
    if output.is_empty() || output.ends_with(b"\n") { b"" } else { b"\n" }
}

/// Prints the error that ends the run on standard error, tells the renderer, and returns the exit
/// code.
pub fn fatal(reporter: &Reporter, error: &Error) -> Exit {
    let exit = error.exit();
    if exit == Exit::Good {
        return exit;
    }
    let (message, hint) = (error.to_string(), error.hint());
    reporter.emit(Event::Failed {
        message: message.clone(),
        hint: hint.clone(),
        exit: exit.code(),
    });
    let cures: String = hint.lines().map(|line| format!("  try: {line}\n")).collect();
    // With standard error gone too there is nobody left to tell.
    drop(write!(io::stderr(), "netlab: {}\n{}", fit(&message), fit(&cures)));
    exit
}

/// Makes words of a guest fit for a terminal, line by line: they may hold anything.
fn fit(words: &str) -> String {
    String::from_utf8_lossy(&harmless_lines(words.as_bytes())).into_owned()
}

fn harmless_lines(bytes: &[u8]) -> Vec<u8> {
    let lines: Vec<_> = bytes.split(|&byte| byte == b'\n').map(harmless).collect();
    lines.join("\n").into_bytes()
}

/// Longest cell of a table, in characters: it holds a name or a reason.
const MAX_CELL: usize = 1000;

/// Makes words of a guest fit for a cell: on one line, so that they can't pass for rows of their own.
fn in_cell(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    harmless(line.as_bytes()).chars().take(MAX_CELL).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_guest_lose_their_escape_sequences_and_keep_their_lines() {
        assert_eq!(in_cell("switch\ndefault  up\u{1b}[2J"), "switch default up");
        assert_eq!(in_cell(&"x".repeat(1 << 20)).len(), MAX_CELL);
        assert_eq!(fit("one\u{1b}]0;title\u{7}\n  two\u{1b}[2J\n"), "one\n  two\n");
    }
}
