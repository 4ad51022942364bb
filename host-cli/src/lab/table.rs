//! TOML tables in fences, read key by key, so that one wrong key does not hide the next.
//!
//! A reader takes the keys it knows; [`Table::finish`] turns what is left into mistakes. After a
//! syntax error the table is not looked into further: its other mistakes would be guesses.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::markdown::Fence;
use super::mistake::{Explain, Found, instead};
use super::source::{Located, Span};

/// What can be wrong with a table's form.
#[derive(Debug, thiserror::Error)]
pub enum TableMistake {
    /// No TOML.
    #[error("this is no TOML: {problem}")]
    Syntax { problem: String },
    /// A key of nobody's.
    #[error("unknown key `{key}` in `toml {table}`")]
    UnknownKey { key: String, table: &'static str, known: Vec<&'static str> },
    /// A key that has to be there.
    #[error("`toml {table}` has no `{key}`")]
    MissingKey { key: &'static str, table: &'static str, example: &'static str },
    /// A text that says nothing.
    #[error("`{key}` is empty")]
    Empty { key: &'static str, example: &'static str },
    /// A value of another type.
    #[error("`{key}` is {expected}, not {actual}")]
    WrongType { key: String, expected: &'static str, actual: &'static str, example: &'static str },
    /// A value that a deeper reader does not take.
    #[error("`{key}`: {problem}")]
    Value { key: String, problem: String },
}

impl Explain for TableMistake {
    fn cure(&self) -> String {
        match self {
            Self::Syntax { .. } => {
                "a line is `key = value`; texts stand in double quotes: `id = \"red-blue\"`"
                    .to_owned()
            }
            Self::UnknownKey { key, known, .. } => instead(key, known),
            Self::MissingKey { example, .. }
            | Self::Empty { example, .. }
            | Self::WrongType { example, .. } => format!("write `{example}`"),
            Self::Value { key, .. } => format!("`labs/README.md` has an example of `{key}`"),
        }
    }
}

/// A key that a table may have.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// A line that uses it rightly.
    pub example: &'static str,
}

/// A fence's table, and what of it nobody has taken yet.
pub struct Table<'a> {
    /// Second word of the fence: `check`.
    kind: &'static str,
    fence: &'a Fence,
    entries: Vec<(Located<String>, Spanned<DeValue<'a>>)>,
}

impl<'a> Table<'a> {
    /// Parses the fence's body; `None` after a syntax error.
    pub fn parse(fence: &'a Fence, kind: &'static str, found: &mut Found) -> Option<Self> {
        let (table, errors) = DeTable::parse_recoverable(&fence.body);
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            let problem = error.message().to_owned();
            found.push(fence.locate(&visible(&fence.body, span)), TableMistake::Syntax { problem });
        }
        if !errors.is_empty() {
            return None;
        }
        let entries = table.into_inner().into_iter().map(|(key, value)| {
            let span = fence.locate(&key.span());
            (Located::new(key.into_inner().into_owned(), span), value)
        });
        Some(Self { kind, fence, entries: entries.collect() })
    }

    /// Whether a key is there and was not taken yet.
    pub fn has(&self, key: Key) -> bool {
        self.entries.iter().any(|(name, _)| name.value == key.name)
    }

    /// Takes a text.
    pub fn text(&mut self, key: Key, found: &mut Found) -> Option<Located<String>> {
        let (span, value) = self.take(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Located::new(text.clone().into_owned(), span)),
            other => self.wrong(key, "a text", other, span, found),
        }
    }

    /// Takes a text that has to be there and to say something.
    pub fn required_text(&mut self, key: Key, found: &mut Found) -> Option<Located<String>> {
        if !self.has(key) {
            self.missing(key, found);
            return None;
        }
        let text = self.text(key, found)?;
        if text.value.trim().is_empty() {
            found.push(text.span, TableMistake::Empty { key: key.name, example: key.example });
            return None;
        }
        Some(text)
    }

    /// Takes `true` or `false`; absent is `false`.
    pub fn flag(&mut self, key: Key, found: &mut Found) -> bool {
        let Some((span, value)) = self.take(key) else {
            return false;
        };
        match value.get_ref() {
            DeValue::Boolean(flag) => *flag,
            other => self.wrong(key, "`true` or `false`", other, span, found).unwrap_or(false),
        }
    }

    /// Takes a list of texts; absent is empty.
    pub fn texts(&mut self, key: Key, found: &mut Found) -> Vec<Located<String>> {
        const EXPECTED: &str = "a list of texts";
        let Some((span, value)) = self.take(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            return self.wrong(key, EXPECTED, value.get_ref(), span, found).unwrap_or_default();
        };
        let mut texts = Vec::new();
        for item in items {
            let span = self.fence.locate(&item.span());
            match item.get_ref() {
                DeValue::String(text) => texts.push(Located::new(text.clone().into_owned(), span)),
                other => texts.extend(self.wrong(key, EXPECTED, other, span, found)),
            }
        }
        texts
    }

    /// Takes a table whose values are texts; absent is empty.
    pub fn text_table(&mut self, key: Key, found: &mut Found) -> BTreeMap<String, Located<String>> {
        const EXPECTED: &str = "a table of texts";
        let mut texts = BTreeMap::new();
        let Some((span, value)) = self.take(key) else {
            return texts;
        };
        let DeValue::Table(items) = value.get_ref() else {
            return self.wrong(key, EXPECTED, value.get_ref(), span, found).unwrap_or_default();
        };
        for (name, item) in items {
            let span = self.fence.locate(&item.span());
            match item.get_ref() {
                DeValue::String(text) => {
                    let span = self.fence.locate(&name.span());
                    let text = Located::new(text.clone().into_owned(), span);
                    texts.insert(name.get_ref().clone().into_owned(), text);
                }
                other => texts.extend(self.wrong(key, EXPECTED, other, span, found)),
            }
        }
        texts
    }

    /// Takes a whole number.
    pub fn number(&mut self, key: Key, found: &mut Found) -> Option<Located<i64>> {
        let (span, value) = self.take(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            other => return self.wrong(key, "a whole number", other, span, found),
        };
        // One that has no room is as far out of bounds as the largest that has.
        Some(Located::new(number.unwrap_or(i64::MAX), span))
    }

    /// Takes anything that serde reads; the reader's own words become the mistake.
    pub fn read<T: serde::de::DeserializeOwned>(
        &mut self,
        key: Key,
        found: &mut Found,
    ) -> Option<Located<T>> {
        let (span, value) = self.take(key)?;
        match T::deserialize(toml::de::ValueDeserializer::from(value)) {
            Ok(value) => Some(Located::new(value, span)),
            Err(error) => {
                let span = error.span().map_or(span, |span| self.fence.locate(&span));
                let problem = in_plain_words(error.message());
                found.push(span, TableMistake::Value { key: key.name.to_owned(), problem });
                None
            }
        }
    }

    /// Takes every key that is left, in the order of the file.
    pub fn rest(&mut self) -> Vec<(Located<String>, Spanned<DeValue<'a>>)> {
        let mut rest = std::mem::take(&mut self.entries);
        rest.sort_by_key(|(key, _)| key.span.start);
        rest
    }

    /// Tells of a key that has to be there.
    pub fn missing(&self, key: Key, found: &mut Found) {
        let Key { name, example } = key;
        let mistake = TableMistake::MissingKey { key: name, table: self.kind, example };
        found.push(self.fence.info_span(), mistake);
    }

    /// Tells of every key that nobody took.
    pub fn finish(mut self, known: &[Key], found: &mut Found) {
        for (key, _) in self.rest() {
            let known = known.iter().map(|key| key.name).collect();
            let mistake = TableMistake::UnknownKey { key: key.value, table: self.kind, known };
            found.push(key.span, mistake);
        }
    }

    fn take(&mut self, key: Key) -> Option<(Span, Spanned<DeValue<'a>>)> {
        let index = self.entries.iter().position(|(name, _)| name.value == key.name)?;
        let (_, value) = self.entries.swap_remove(index);
        Some((self.fence.locate(&value.span()), value))
    }

    fn wrong<T>(
        &self,
        key: Key,
        expected: &'static str,
        actual: &DeValue<'_>,
        span: Span,
        found: &mut Found,
    ) -> Option<T> {
        let Key { name, example } = key;
        let mistake = TableMistake::WrongType {
            key: name.to_owned(),
            expected,
            actual: type_name(actual),
            example,
        };
        found.push(span, mistake);
        None
    }
}

/// What a value is, in the words of [`TableMistake::WrongType`].
fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Turns serde's words into those of a lab file's author.
pub fn in_plain_words(message: &str) -> String {
    const WORDS: [(&str, &str); 9] = [
        ("unknown field", "unknown key"),
        ("missing field", "missing key"),
        ("duplicate field", "duplicate key"),
        ("unknown variant", "unknown word"),
        ("invalid type: string", "wrong type: text"),
        ("invalid type", "wrong type"),
        ("a sequence", "a list"),
        ("a map", "a table"),
        ("a string", "a text"),
    ];
    // What follows may be Rust's name for the table's type.
    let message = match message.split_once(", expected struct ") {
        Some((before, _)) => format!("{before}, expected a table"),
        None => message.to_owned(),
    };
    WORDS.iter().fold(message, |message, (from, to)| message.replace(from, to))
}

/// The parser reports the end of a line as the line break itself; a caret belongs before it.
fn visible(body: &str, span: Span) -> Span {
    if span.start >= body.len() && body.ends_with('\n') {
        return body.len() - 1..body.len() - 1;
    }
    span
}
