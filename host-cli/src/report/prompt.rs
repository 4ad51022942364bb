//! The one line in which a learner is asked for a key, on standard error.

use std::io::{self, IsTerminal as _, Write as _};

/// Shows the question. On a pipe it ends with a new line, so that whoever reads it gets it whole.
pub fn ask(question: &str) {
    let mut stderr = io::stderr().lock();
    let is_terminal = stderr.is_terminal();
    // A narrow terminal gets what fits: a question over two rows could not be wiped.
    let columns = match crossterm::terminal::size() {
        Ok((columns, _)) if is_terminal => usize::from(columns.saturating_sub(1)),
        _ => usize::MAX,
    };
    let question: String = question.chars().take(columns).collect();
    let end = if is_terminal { "" } else { "\n" };
    // The question is a courtesy: a key is awaited whether or not it can be seen.
    drop(write!(stderr, "\r{question}{end}"));
    drop(stderr.flush());
}

/// Wipes the question from a terminal.
pub fn clear() {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        // CSI 2K erases the line (ECMA-48).
        drop(write!(stderr, "\r\x1b[2K"));
        drop(stderr.flush());
    }
}

/// Asks a question that is answered by yes or no and Enter; anything but yes is a no.
///
/// # Errors
/// Nothing can be read.
pub fn yes(question: &str) -> io::Result<bool> {
    write!(io::stderr(), "{question} [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
