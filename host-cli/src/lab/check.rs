//! The tables of claims: `toml check` and `toml fails`.
//!
//! Whatever key is none of a check's own is its probe, and goes to [`Probe`] as it stands: a new
//! kind of probe is known here, name and all, without a change.

use netlab_protocol::check::CommandProbe;
use netlab_protocol::{Action, Check, Place, Probe, Problem};
use regex_lite::Regex;
use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::draft::{Item, References};
use super::duration::{LIMIT_CURE, Limit};
use super::markdown::Fence;
use super::mistake::{Explain, Found, instead, list};
use super::name;
use super::probe_names::probe_names;
use super::shell;
use super::source::{Lines, Located, Span};
use super::table::{Key, Table, in_plain_words};

/// How long a positive claim may take to come true. Under emulation a process takes 50 ms to
/// start and an ARP answer as long; five seconds are far from both and from the reader's patience.
const POSITIVE_MS: u64 = 5_000;

/// How long a negative claim that awaits an answer is tried: Linux repeats an ARP request after one
/// second, so a neighbour that is there answers within it. A state is looked at once.
const SILENCE_MS: u64 = 1_000;

const CLAIM: Key = Key { name: "claim", example: "claim = \"red reaches blue\"" };
const ID: Key = Key { name: "id", example: "id = \"red-blue\"" };
const IN: Key = Key { name: "in", example: "in = \"red\"" };
const NOT: Key = Key { name: "not", example: "not = true" };
const CONTROL: Key = Key { name: "control", example: "control = \"red-blue\"" };
const WITHIN: Key = Key { name: "within", example: "within = \"2s\"" };
const CHECKS: Key = Key { name: "checks", example: "checks = [\"red-blue\"]" };

const CHECK_KEYS: [Key; 6] = [CLAIM, ID, IN, NOT, CONTROL, WITHIN];

/// What can be wrong with a claim.
#[derive(Debug, thiserror::Error)]
pub enum CheckMistake {
    /// An id that is none.
    #[error("`{id}` is no id")]
    Id { id: String },
    /// A time limit that can't be read.
    #[error("`{text}` is no time limit")]
    Limit { text: String },
    /// A key that is neither a check's own nor a probe's.
    #[error("unknown key `{key}` in `toml check`")]
    UnknownKey { key: String },
    /// A claim that nothing proves.
    #[error("the claim is not proven by anything")]
    NoProbe,
    /// Two proofs.
    #[error("`{second}` is a second probe, beside `{first}`")]
    TwoProbes { first: String, second: String },
    /// A probe that can't be read.
    #[error("`{kind}`: {problem}")]
    Probe { kind: String, problem: String },
    /// A negative claim alone.
    #[error("a check with `not = true` has no `control`")]
    NoControl,
    /// A control where none is needed.
    #[error("a check without `not = true` has a `control`")]
    ControlOfPositive,
    /// An empty list of checks.
    #[error("`checks` is empty")]
    NoChecks,
}

impl Explain for CheckMistake {
    fn cure(&self) -> String {
        match self {
            Self::Id { .. } => {
                "write lower-case letters, digits and `-`, such as `red-blue`".to_owned()
            }
            Self::Limit { .. } => LIMIT_CURE.to_owned(),
            Self::UnknownKey { key } => {
                let known: Vec<_> = CHECK_KEYS.iter().map(|key| key.name).chain(probes()).collect();
                instead(key, &known)
            }
            Self::NoProbe => format!("add one of {}", list(&probes().collect::<Vec<_>>())),
            Self::TwoProbes { .. } => "make it a check of its own".to_owned(),
            Self::Probe { kind, .. } => format!("`labs/README.md` has an example of `{kind}`"),
            Self::NoControl => {
                "add `control = \"…\"`: the id of a check above with the same probe, \
                                where it succeeds; else a dead network would pass"
                    .to_owned()
            }
            Self::ControlOfPositive => {
                "add `not = true`, or leave `control` out: a success needs no control".to_owned()
            }
            Self::NoChecks => "name the checks that must fail without the mechanism".to_owned(),
        }
    }
}

fn probes() -> impl Iterator<Item = &'static str> {
    probe_names().iter().copied()
}

/// Reads a `toml check` fence; `None` if it can't be one.
pub fn check(fence: &Fence, lines: &Lines<'_>, found: &mut Found) -> Option<Item> {
    let mut table = Table::parse(fence, "check", found)?;
    let claim = table.required_text(CLAIM, found);
    let id = table.text(ID, found);
    let place = table.text(IN, found);
    let negative = table.flag(NOT, found);
    let control = table.text(CONTROL, found);
    let within = table.text(WITHIN, found).map(|text| limit(text, found));
    if let Some(id) = id.as_ref().filter(|id| !name::is_id(&id.value)) {
        found.push(id.span.clone(), CheckMistake::Id { id: id.value.clone() });
    }
    match (negative, &control) {
        (true, None) => found.push(fence.info_span(), CheckMistake::NoControl),
        (false, Some(control)) => {
            found.push(control.span.clone(), CheckMistake::ControlOfPositive);
        }
        (true, Some(_)) | (false, None) => {}
    }
    let (probe, read) = probe(&mut table, fence, found)?;
    let default_ms = match (negative, probe.awaits_answer()) {
        (false, _) => POSITIVE_MS,
        (true, true) => SILENCE_MS,
        (true, false) => 0,
    };
    let check = Check {
        line: lines.line(fence.span.start),
        id: id.as_ref().map(|id| id.value.clone()).unwrap_or_default(),
        claim: claim?.value,
        place: place.as_ref().map_or(Place::Root, |place| place.value.clone().into()),
        negative,
        control: control.as_ref().map(|control| control.value.clone()),
        within_ms: within.unwrap_or(default_ms),
        probe,
    };
    let named = check
        .probe
        .places()
        .iter()
        .map(|place| Located::new(place.name().to_owned(), read.span.clone()));
    let background = check.probe.background();
    let background = background.map(|name| Located::new(name.to_owned(), read.span.clone()));
    Some(Item {
        namespaces: place.into_iter().chain(named).collect(),
        uses: read.uses,
        gives: Vec::new(),
        references: Some(References { id, control, background }),
        action: Action::Check(check),
    })
}

/// Reads a `toml fails` fence: ids of checks.
pub fn fails(fence: &Fence, found: &mut Found) -> Option<Vec<Located<String>>> {
    let mut table = Table::parse(fence, "fails", found)?;
    let stated = table.has(CHECKS);
    let checks = table.texts(CHECKS, found);
    if !stated {
        table.missing(CHECKS, found);
    } else if checks.is_empty() {
        found.push(fence.info_span(), CheckMistake::NoChecks);
    }
    table.finish(&[CHECKS], found);
    Some(checks)
}

fn limit(text: Located<String>, found: &mut Found) -> u64 {
    match text.value.parse::<Limit>() {
        Ok(limit) => limit.millis,
        Err(_) => {
            found.push(text.span, CheckMistake::Limit { text: text.value });
            POSITIVE_MS
        }
    }
}

/// What was seen while a probe was read.
struct Read {
    span: Span,
    uses: Vec<Located<String>>,
}

/// Reads the one key that is left.
fn probe(table: &mut Table<'_>, fence: &Fence, found: &mut Found) -> Option<(Probe, Read)> {
    let mut first: Option<(Located<String>, Spanned<DeValue<'_>>)> = None;
    let mut unknown = false;
    for (key, value) in table.rest() {
        if !probe_names().contains(&key.value.as_str()) {
            unknown = true;
            found.push(key.span, CheckMistake::UnknownKey { key: key.value });
        } else if let Some((first, _)) = &first {
            let first = first.value.clone();
            found.push(key.span, CheckMistake::TwoProbes { first, second: key.value });
        } else {
            first = Some((key, value));
        }
    }
    let Some((key, value)) = first else {
        // An unknown key was probably meant to be the probe.
        if !unknown {
            found.push(fence.info_span(), CheckMistake::NoProbe);
        }
        return None;
    };
    let span = fence.locate(&value.span());
    let mut uses = Vec::new();
    values(&value, fence, &mut uses);

    let kind = key.value.clone();
    let whole = value.span();
    let mut single = DeTable::new();
    single.insert(Spanned::new(whole.clone(), key.value.into()), value.clone());
    let single = Spanned::new(whole, DeValue::Table(single));
    let read = Probe::deserialize(ValueDeserializer::from(single));
    let (span, problem) = match read {
        Ok(probe) => match probe.validate().and_then(|()| pattern(&probe)) {
            Ok(()) => return Some((probe, Read { span, uses })),
            Err(problem) => {
                let text = problem.text.as_deref().and_then(|text| place_of(text, &value));
                (text.map_or(span, |span| fence.locate(&span)), problem.to_string())
            }
        },
        Err(error) => {
            let span = error.span().map_or(span, |span| fence.locate(&span));
            (span, in_plain_words(error.message()))
        }
    };
    found.push(span, CheckMistake::Probe { kind, problem });
    None
}

/// Judges the pattern of a `command` with the engine that reads it in the guest. There each
/// `$NAME` has become literal text, for which a letter stands here.
fn pattern(probe: &Probe) -> Result<(), Problem> {
    let Probe::Command(CommandProbe { stdout: Some(pattern), .. }) = probe else {
        return Ok(());
    };
    let names = Regex::new(r"\$[A-Za-z_][A-Za-z0-9_]*");
    let expanded = names.map(|names| names.replace_all(pattern, "x").into_owned());
    match expanded.and_then(|expanded| Regex::new(&expanded)) {
        Ok(_) => Ok(()),
        Err(error) => Err(Problem::with(pattern, "pattern", &error.to_string())),
    }
}

/// Finds a text in a probe's value, at any depth.
fn place_of(text: &str, value: &Spanned<DeValue<'_>>) -> Option<Span> {
    match value.get_ref() {
        DeValue::String(own) if own == text => Some(value.span()),
        DeValue::Array(items) => items.iter().find_map(|item| place_of(text, item)),
        DeValue::Table(items) => items.values().find_map(|item| place_of(text, item)),
        _ => None,
    }
}

/// Finds the `$NAME`s of a probe's texts, at any depth.
fn values(value: &Spanned<DeValue<'_>>, fence: &Fence, uses: &mut Vec<Located<String>>) {
    match value.get_ref() {
        DeValue::String(_) => {
            // The text as written, quotes and all, has the place of each name.
            let raw = fence.body.get(value.span()).unwrap_or_default();
            let inner = raw.trim_matches(|quote| quote == '"' || quote == '\'');
            let offset = value.span().start + (raw.len() - inner.len()) / 2;
            for (name, range) in shell::scan(inner).values {
                let span = fence.locate(&(range.start + offset..range.end + offset));
                uses.push(Located::new(name, span));
            }
        }
        DeValue::Array(items) => items.iter().for_each(|item| values(item, fence, uses)),
        DeValue::Table(items) => items.values().for_each(|item| values(item, fence, uses)),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}
