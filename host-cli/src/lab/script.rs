//! The lines of an `sh` fence, made into commands.
//!
//! A line is a command; a trailing `\` goes on with the next, and both reach the guest's shell as
//! they stand. Empty lines and lines that begin with `#` are for the reader.

use netlab_protocol::plan::pid_value;
use netlab_protocol::{Action, Background, Command, ExitRule, Place};

use super::draft::Item;
use super::fence::Shell;
use super::markdown::Fence;
use super::mistake::{Explain, Found};
use super::shell;
use super::source::{Lines, Located, Span};

/// Time limit of a command without `within=`: slow enough for `dhclient` under emulation, quick
/// enough that a hung command is not taken for a slow one.
const COMMAND_MS: u64 = 30_000;

/// Deadline for a background command without `within=`.
const READY_MS: u64 = 20_000;

/// What can be wrong with a fence of commands.
#[derive(Debug, thiserror::Error)]
pub enum ScriptMistake {
    /// No command in it.
    #[error("a fence without a command")]
    Empty,
    /// A word that is about one command, with several.
    #[error("`{word}` is about one command, and here are {count}")]
    Several { word: &'static str, count: usize },
    /// A `\` with nothing after it.
    #[error("the `\\` at the end goes on with nothing")]
    Unfinished,
    /// A quote over the end of a line.
    #[error("this quote is not closed on its line")]
    OpenQuote,
    /// A background command without a sign of readiness.
    #[error("a background command without `ready=`")]
    NoReady,
    /// A word that needs `background=`.
    #[error("`ready=` without `background=`")]
    ReadyOfForeground,
    /// A word that a background command can't have.
    #[error("`{word}` is about how a command ends, and a background command goes on")]
    NotOfBackground { word: &'static str },
}

impl Explain for ScriptMistake {
    fn cure(&self) -> String {
        match self {
            Self::Empty => "write one, or take the fence out",
            Self::Several { .. } => "give that command a fence of its own",
            Self::Unfinished => "take it away, or write the rest below",
            Self::OpenQuote => {
                "close it, or put a `\\` at the end of the line: a line is a command"
            }
            Self::NoReady => {
                "say how it is seen to be ready: `ready=tcp:4000`, `ready=udp:67`, \
                              `ready=file:/run/server.pid` or `ready=log:listening`"
            }
            Self::ReadyOfForeground => {
                "add `background=server`, or leave `ready=` out: a command \
                                        in the foreground is waited for"
            }
            Self::NotOfBackground { .. } => "leave it out",
        }
        .to_owned()
    }
}

/// A command as it stands in the file.
struct Typed<'a> {
    text: &'a str,
    /// Where it stands in the fence's body.
    range: Span,
}

/// Reads the commands of an `sh` fence.
pub fn items(fence: &Fence, shell: &Shell, lines: &Lines<'_>, found: &mut Found) -> Vec<Item> {
    let commands = commands(&fence.body);
    if commands.is_empty() {
        found.push(fence.info_span(), ScriptMistake::Empty);
    }
    judge_words(shell, commands.len(), found);
    commands.iter().map(|typed| item(typed, fence, shell, lines, found)).collect()
}

/// Finds the mistakes of words that do not fit each other, or the number of commands.
fn judge_words(shell: &Shell, count: usize, found: &mut Found) {
    let several = |word| ScriptMistake::Several { word, count };
    if let Some(background) = &shell.background {
        if count > 1 {
            found.push(background.span.clone(), several("background="));
        }
        if shell.ready.is_none() {
            found.push(background.span.clone(), ScriptMistake::NoReady);
        }
        if let Some(exit) = &shell.exit {
            found.push(exit.span.clone(), ScriptMistake::NotOfBackground { word: "exit=" });
        }
        if let Some(keep) = &shell.keep {
            found.push(keep.span.clone(), ScriptMistake::NotOfBackground { word: "keep=" });
        }
        return;
    }
    if let Some(ready) = &shell.ready {
        found.push(ready.span.clone(), ScriptMistake::ReadyOfForeground);
    }
    if let Some(keep) = shell.keep.as_ref().filter(|_| count > 1) {
        found.push(keep.span.clone(), several("keep="));
    }
}

/// Cuts a body into commands.
fn commands(body: &str) -> Vec<Typed<'_>> {
    let mut commands = Vec::new();
    let mut start = 0;
    let mut open = false;
    let mut offset = 0;
    for line in body.split_inclusive('\n') {
        let text = line.trim_end_matches(['\r', '\n']);
        if !open {
            start = offset;
        }
        let end = offset + text.len();
        offset += line.len();
        let comment = text.trim_start().starts_with('#');
        if !open && (comment || text.trim().is_empty()) {
            continue;
        }
        open = continues(text) && offset < body.len();
        if !open {
            let typed = &body[start..end];
            let from = start + typed.len() - typed.trim_start().len();
            let text = typed.trim();
            commands.push(Typed { text, range: from..from + text.len() });
        }
    }
    commands
}

/// Whether a line ends with a `\` that is not itself escaped.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn item(
    typed: &Typed<'_>,
    fence: &Fence,
    shell: &Shell,
    lines: &Lines<'_>,
    found: &mut Found,
) -> Item {
    let at = |range: Span| {
        fence.locate(&(typed.range.start + range.start..typed.range.start + range.end))
    };
    let scan = shell::scan(typed.text);
    if let Some(quote) = scan.open_quote {
        found.push(at(quote..quote + 1), ScriptMistake::OpenQuote);
    } else if continues(typed.text) {
        let end = typed.text.len();
        found.push(at(end - 1..end), ScriptMistake::Unfinished);
    }
    let located = |names: Vec<(String, Span)>| {
        names.into_iter().map(|(name, range)| Located::new(name, at(range)))
    };
    let within_ms = shell.within.as_ref().map(|within| within.value.millis);
    let line = lines.line(fence.locate(&typed.range).start);
    let place = match &shell.namespace {
        Some(namespace) => Place::from(namespace.value.clone()),
        None => Place::Root,
    };
    let text = typed.text.to_owned();
    let mut gives = Vec::new();
    let action = match (&shell.background, &shell.ready) {
        (Some(background), Some(ready)) => {
            gives.push(pid_value(&background.value));
            Action::Start(Background {
                line,
                name: background.value.clone(),
                place,
                text,
                ready: ready.value.clone(),
                within_ms: within_ms.unwrap_or(READY_MS),
            })
        }
        // A background command without `ready=` has been told; it is read on as a plain one.
        (background, _) => {
            gives.extend(background.iter().map(|background| pid_value(&background.value)));
            let keep = shell.keep.as_ref().map(|keep| keep.value.clone());
            gives.extend(keep.clone());
            let exit = shell.exit.as_ref().map_or(ExitRule::Code(0), |exit| exit.value);
            let within_ms = within_ms.unwrap_or(COMMAND_MS);
            Action::Run(Command { line, place, text, exit, within_ms, keep })
        }
    };
    Item {
        action,
        namespaces: shell.namespace.iter().cloned().chain(located(scan.namespaces)).collect(),
        uses: located(scan.values).collect(),
        gives,
        references: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_command_and_a_backslash_goes_on() {
        let cases: [(&str, &[&str]); 6] = [
            ("ip link\nip route\n", &["ip link", "ip route"]),
            ("# why\n\n  ip link  \n", &["ip link"]),
            ("ip \\\n  link\nip route\n", &["ip \\\n  link", "ip route"]),
            ("echo a\\\\\nip route\n", &["echo a\\\\", "ip route"]),
            ("ip \\\n# not a comment here\n", &["ip \\\n# not a comment here"]),
            ("\n# only words\n", &[]),
        ];
        for (body, expected) in cases {
            let commands = commands(body);
            let texts: Vec<_> = commands.iter().map(|typed| typed.text).collect();
            assert_eq!(texts, expected, "{body:?}");
            for typed in &commands {
                assert_eq!(&body[typed.range.clone()], typed.text);
            }
        }
    }
}
