//! `command`: a shell command ends with a status and prints something.

use std::time::Duration;

use netlab_protocol::check::CommandProbe;
use netlab_protocol::{Exit, Place};
use regex_lite::RegexBuilder;

use super::{COMMAND_LIMIT, Outcome, Words};
use crate::error::Error;
use crate::exec;
use crate::lab::Lab;

/// Longest quotation of a command's output, in characters.
const QUOTED_CHARACTERS: usize = 120;

/// What a shell says of a program that it can't find, or can't run.
const SHELL_FAILURES: [i32; 2] = [126, 127];

/// Says what is expected.
pub fn words(probe: &CommandProbe) -> Words {
    let output = probe.stdout.as_ref().map(|it| format!(" and output like `{it}`"));
    let result = format!("exit status {}{}", probe.exit, output.unwrap_or_default());
    let failure = format!("other than {result}");
    Words::new(result, failure, probe.run.clone())
}

/// Tries once.
pub async fn attempt(
    lab: &Lab,
    place: &Place,
    probe: &CommandProbe,
    limit: Duration,
) -> Result<Outcome, Error> {
    let (cgroup, limit) = (lab.next_cgroup("check")?, limit.max(COMMAND_LIMIT));
    let (exit, stdout) = exec::capture(place, &probe.run, &lab.values, cgroup, limit).await?;
    Ok(judge(probe, exit, &String::from_utf8_lossy(&stdout)))
}

pub(super) fn judge(probe: &CommandProbe, exit: Exit, stdout: &str) -> Outcome {
    let status = exit.to_string();
    match exit {
        Exit::Code(code) if code == probe.exit => {}
        Exit::Code(code) if !SHELL_FAILURES.contains(&code) => return Outcome::No(status),
        // A command that could not be run proves nothing about what it would have said.
        Exit::Code(_) | Exit::Signal(_) | Exit::TimedOut => return Outcome::Unknown(status),
    }
    let Some(pattern) = &probe.stdout else {
        return Outcome::Yes(status);
    };
    // `^` and `$` stand for the ends of lines, as in `grep`.
    match RegexBuilder::new(pattern).multi_line(true).build() {
        Ok(regex) => {
            let shown = regex.find(stdout).map_or(stdout, |found| line_of(stdout, found.start()));
            Outcome::of(regex.is_match(stdout), quote(shown))
        }
        Err(error) => Outcome::Unknown(format!("`{pattern}` is no pattern: {error}")),
    }
}

/// Returns the line around a byte of the text.
fn line_of(text: &str, at: usize) -> &str {
    let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    &text[begin..end]
}

fn quote(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return "no output".to_owned();
    }
    let line = text.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    match line.char_indices().nth(QUOTED_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(stdout: Option<&str>, exit: i32) -> CommandProbe {
        CommandProbe { run: "ip netns".to_owned(), stdout: stdout.map(str::to_owned), exit }
    }

    #[test]
    fn status_and_output_must_both_be_right() {
        let printed = "blue\nred (id: 0)\n";
        for (probe, exit, outcome) in [
            (probe(Some("^red"), 0), Exit::Code(0), Outcome::Yes("red (id: 0)".to_owned())),
            (probe(Some("^green"), 0), Exit::Code(0), Outcome::No("blue; red (id: 0)".to_owned())),
            (probe(None, 0), Exit::Code(0), Outcome::Yes("exit status 0".to_owned())),
            (probe(None, 1), Exit::Code(0), Outcome::No("exit status 0".to_owned())),
            (probe(None, 127), Exit::Code(127), Outcome::Yes("exit status 127".to_owned())),
        ] {
            assert_eq!(judge(&probe, exit, printed), outcome);
        }
    }

    #[test]
    fn a_command_that_could_not_be_run_proves_nothing() {
        for exit in [Exit::Code(127), Exit::Code(126), Exit::Signal(9), Exit::TimedOut] {
            let outcome = judge(&probe(None, 0), exit, "");
            assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
        }
    }

    #[test]
    fn long_output_is_cut_and_none_is_said() {
        assert_eq!(quote(" \n"), "no output");
        assert_eq!(quote(&"x".repeat(500)).chars().count(), QUOTED_CHARACTERS + 1);
    }
}
