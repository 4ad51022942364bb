//! The words after a fence's backticks: what netlab does with the fence.
//!
//! A first word that is not ours (`text`, `json`, none at all) makes the fence part of the page,
//! for reading only. After one of ours, every word must be known.

use netlab_protocol::{ExitRule, Ready};

use super::duration::{LIMIT_CURE, Limit};
use super::markdown::Fence;
use super::mistake::{Explain, Found, instead};
use super::name;
use super::source::{Located, Span};

/// What a fence is to netlab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Part of the page.
    Page,
    /// Commands to run.
    Shell(Box<Shell>),
    /// The table that describes the lab.
    Lab,
    /// The table that describes a step.
    Step,
    /// One claim.
    Check,
    /// The checks that a counterfactual must turn.
    Fails,
}

/// The words of an `sh` fence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shell {
    /// `ns=`: the namespace that the commands run in.
    pub namespace: Option<Located<String>>,
    /// `background=`: the name of a command that goes on.
    pub background: Option<Located<String>>,
    /// `ready=`: the sign that it is ready.
    pub ready: Option<Located<Ready>>,
    /// `exit=`: the exit status that is right.
    pub exit: Option<Located<ExitRule>>,
    /// `within=`: the time limit.
    pub within: Option<Located<Limit>>,
    /// `keep=`: the name for the command's output.
    pub keep: Option<Located<String>>,
    /// `undo`: the commands put a counterfactual's mechanism back.
    pub undo: Option<Span>,
}

/// Words of an `sh` fence, with an `=` where a value follows.
const SHELL_WORDS: [&str; 7] =
    ["ns=", "background=", "ready=", "exit=", "within=", "keep=", "undo"];

/// Second words of a `toml` fence.
const TABLE_WORDS: [&str; 4] = ["lab", "step", "check", "fails"];

/// What can be wrong in these words.
#[derive(Debug, thiserror::Error)]
pub enum FenceMistake {
    /// An `sh` fence with a word of nobody's.
    #[error("unknown word `{word}` after `sh`")]
    UnknownWord { word: String },
    /// A word that needs a value, or has one too many.
    #[error("`{word}` {problem}")]
    WordShape { word: String, problem: &'static str, write: &'static str },
    /// The same word twice.
    #[error("`{word}` stands here twice")]
    Repeated { word: String },
    /// A value that can't be one.
    #[error("`{value}` is no {what}")]
    BadValue { value: String, what: &'static str, write: &'static str },
    /// A time limit that can't be read.
    #[error("`{value}` is no time limit")]
    BadLimit { value: String },
    /// A kept value that the shell uses itself.
    #[error("`{name}` belongs to the shell")]
    ShellsOwn { name: String },
    /// `toml` and nothing else.
    #[error("a `toml` fence that does not say what it is for")]
    BareTable,
    /// A `toml` fence with a word of nobody's.
    #[error("unknown word `{word}` after `toml`")]
    UnknownTable { word: String },
    /// A second word after `toml check` and the like.
    #[error("`{word}` after `toml {table}`")]
    WordAfterTable { word: String, table: String },
}

impl Explain for FenceMistake {
    fn cure(&self) -> String {
        match self {
            Self::UnknownWord { word } => {
                let stem = word.split_once('=').map_or(word.as_str(), |(stem, _)| stem);
                let known: Vec<_> =
                    SHELL_WORDS.iter().map(|known| known.trim_end_matches('=')).collect();
                instead(stem, &known)
            }
            Self::WordShape { write, .. } | Self::BadValue { write, .. } => {
                format!("write {write}")
            }
            Self::Repeated { .. } => "keep one of the two".to_owned(),
            Self::BadLimit { .. } => LIMIT_CURE.to_owned(),
            Self::ShellsOwn { .. } => "choose another name, such as `RED_IP`".to_owned(),
            Self::BareTable => "write `toml lab`, `toml step`, `toml check` or `toml fails`; \
                                for a table that is only to be read, `text`"
                .to_owned(),
            Self::UnknownTable { word } => instead(word, &TABLE_WORDS),
            Self::WordAfterTable { .. } => {
                "leave it out: what it says goes into the table".to_owned()
            }
        }
    }
}

/// Reads a fence's words. After a mistake in them the fence still has its role.
pub fn role(fence: &Fence, found: &mut Found) -> Role {
    let mut words = words(fence).into_iter();
    match words.next().map(|word| word.value) {
        Some("sh") => Role::Shell(Box::new(shell(words, found))),
        Some("toml") => table(fence, words, found),
        _ => Role::Page,
    }
}

/// Splits the words, each with its place.
fn words(fence: &Fence) -> Vec<Located<&str>> {
    let info = fence.info.as_str();
    info.split_whitespace()
        .scan(0, |from, word| {
            let start = *from + info.get(*from..)?.find(word)?;
            *from = start + word.len();
            let file = fence.info_start + start;
            Some(Located::new(word, file..file + word.len()))
        })
        .collect()
}

fn table<'a>(
    fence: &Fence,
    mut words: impl Iterator<Item = Located<&'a str>>,
    found: &mut Found,
) -> Role {
    let Some(word) = words.next() else {
        found.push(fence.info_span(), FenceMistake::BareTable);
        return Role::Page;
    };
    let role = match word.value {
        "lab" => Role::Lab,
        "step" => Role::Step,
        "check" => Role::Check,
        "fails" => Role::Fails,
        unknown => {
            found.push(word.span, FenceMistake::UnknownTable { word: unknown.to_owned() });
            return Role::Page;
        }
    };
    for extra in words {
        let table = word.value.to_owned();
        found
            .push(extra.span, FenceMistake::WordAfterTable { word: extra.value.to_owned(), table });
    }
    role
}

fn shell<'a>(words: impl Iterator<Item = Located<&'a str>>, found: &mut Found) -> Shell {
    let mut shell = Shell::default();
    for Located { value: word, span } in words {
        if let Err(mistake) = shell.take(word, &span) {
            found.push(span, mistake);
        }
    }
    shell
}

impl Shell {
    fn take(&mut self, word: &str, span: &Span) -> Result<(), FenceMistake> {
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (word, None),
        };
        if key == "undo" {
            return match value {
                None => fill(&mut self.undo, span.clone(), key),
                Some(_) => Err(FenceMistake::WordShape {
                    word: key.to_owned(),
                    problem: "takes no value",
                    write: "`undo` alone",
                }),
            };
        }
        let example = match key {
            "ns" => "`ns=red`",
            "background" => "`background=server`",
            "ready" => "`ready=tcp:4000`",
            "exit" => "`exit=1` or `exit=any`",
            "within" => "`within=20s`",
            "keep" => "`keep=RED_IP`",
            _ => {
                return Err(FenceMistake::UnknownWord { word: word.to_owned() });
            }
        };
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            let word = key.to_owned();
            return Err(FenceMistake::WordShape { word, problem: "has no value", write: example });
        };
        let located = |text: &str| Located::new(text.to_owned(), span.clone());
        match key {
            "ns" => fill(&mut self.namespace, located(value), key),
            "background" => fill(&mut self.background, located(background(value)?), key),
            "ready" => fill(&mut self.ready, Located::new(ready(value)?, span.clone()), key),
            "exit" => fill(&mut self.exit, Located::new(exit(value)?, span.clone()), key),
            "within" => {
                let limit = value
                    .parse()
                    .map_err(|_| FenceMistake::BadLimit { value: value.to_owned() })?;
                fill(&mut self.within, Located::new(limit, span.clone()), key)
            }
            _ => fill(&mut self.keep, located(keep(value)?), key),
        }
    }
}

fn fill<T>(slot: &mut Option<T>, value: T, word: &str) -> Result<(), FenceMistake> {
    if slot.is_some() {
        return Err(FenceMistake::Repeated { word: word.to_owned() });
    }
    *slot = Some(value);
    Ok(())
}

fn background(value: &str) -> Result<&str, FenceMistake> {
    if name::is_id(value) {
        return Ok(value);
    }
    Err(FenceMistake::BadValue {
        value: value.to_owned(),
        what: "name for a background command",
        write: "lower-case letters, digits and `-`, such as `server`",
    })
}

fn keep(value: &str) -> Result<&str, FenceMistake> {
    if name::is_shells_own(value) {
        return Err(FenceMistake::ShellsOwn { name: value.to_owned() });
    }
    if name::is_value(value) {
        return Ok(value);
    }
    Err(FenceMistake::BadValue {
        value: value.to_owned(),
        what: "name for a value",
        write: "capital letters, digits and `_`, such as `RED_IP`",
    })
}

fn exit(value: &str) -> Result<ExitRule, FenceMistake> {
    if value == "any" {
        return Ok(ExitRule::Any);
    }
    // A process can't end with a status above 255.
    value.parse::<u8>().map(|code| ExitRule::Code(code.into())).map_err(|_| {
        FenceMistake::BadValue {
            value: value.to_owned(),
            what: "exit status",
            write: "a number from 0 to 255, or `any`",
        }
    })
}

fn ready(value: &str) -> Result<Ready, FenceMistake> {
    let bad = || FenceMistake::BadValue {
        value: value.to_owned(),
        what: "sign of readiness",
        write: "`tcp:4000`, `udp:67`, `file:/run/server.pid` or `log:listening`",
    };
    let (kind, rest) = value.split_once(':').ok_or_else(bad)?;
    let port = || rest.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(bad);
    match kind {
        "tcp" => Ok(Ready::Tcp(port()?)),
        "udp" => Ok(Ready::Udp(port()?)),
        "file" if rest.starts_with('/') => Ok(Ready::File(rest.to_owned())),
        "log" if !rest.is_empty() => Ok(Ready::Log(rest.to_owned())),
        _ => Err(bad()),
    }
}
