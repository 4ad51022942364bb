//! Values that a lab knows: fixed ones from its file, and those that its commands printed.
//!
//! Commands get them as environment variables and the shell expands them; checks are expanded
//! here, where a name that nobody kept is a failure in words instead of an empty string.

use std::collections::BTreeMap;

/// A check names a value that no earlier step keeps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`${name}` is not known: no earlier step keeps it")]
pub struct UnknownValue {
    /// Name, without the `$`.
    pub name: String,
}

/// Values by name, without the `$`.
#[derive(Debug, Clone, Default)]
pub struct Values(BTreeMap<String, String>);

impl Values {
    /// Starts with the plan's fixed values.
    pub fn new(fixed: BTreeMap<String, String>) -> Self {
        Self(fixed)
    }

    /// Keeps a value from now on; a later one of the same name replaces it.
    pub fn keep(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// Returns the values as an environment.
    pub fn environment(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }

    /// Replaces each `$NAME`; a `$` that no name follows stays as it is.
    ///
    /// # Errors
    /// [`UnknownValue`] for the first name that is not known.
    pub fn expand(&self, text: &str) -> Result<String, UnknownValue> {
        self.expand_with(text, str::to_owned)
    }

    /// The same for a regular expression: the values are matched literally.
    ///
    /// # Errors
    /// As [`Values::expand`].
    pub fn expand_pattern(&self, pattern: &str) -> Result<String, UnknownValue> {
        self.expand_with(pattern, regex_lite::escape)
    }

    fn expand_with(&self, text: &str, quote: fn(&str) -> String) -> Result<String, UnknownValue> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, after) = (&rest[..at], &rest[at + 1..]);
            expanded.push_str(before);
            let name = leading_name(after);
            if name.is_empty() {
                expanded.push('$');
            } else {
                let value =
                    self.0.get(name).ok_or_else(|| UnknownValue { name: name.to_owned() })?;
                expanded.push_str(&quote(value));
            }
            rest = &after[name.len()..];
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

/// Returns the shell name at the beginning of `text`, which may be empty.
fn leading_name(text: &str) -> &str {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return "";
    }
    let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        let mut values = Values::default();
        values.keep("RED_IP", "10.0.0.1");
        values.keep("PORT", "4000");
        values
    }

    #[test]
    fn names_are_replaced_and_other_dollars_stay() {
        for (text, expanded) in [
            ("$RED_IP", "10.0.0.1"),
            ("tcp:$RED_IP:$PORT", "tcp:10.0.0.1:4000"),
            ("$RED_IP/24", "10.0.0.1/24"),
            ("^red$", "^red$"),
            ("$1 $ $$PORT", "$1 $ $4000"),
            ("", ""),
        ] {
            assert_eq!(values().expand(text).unwrap(), expanded);
        }
    }

    #[test]
    fn an_unknown_name_is_named() {
        let error = values().expand("$RED_IP $BLUE_IP").unwrap_err();
        assert_eq!(error.to_string(), "`$BLUE_IP` is not known: no earlier step keeps it");
    }

    #[test]
    fn a_value_in_a_pattern_matches_only_itself() {
        assert_eq!(values().expand_pattern("^$RED_IP$").unwrap(), r"^10\.0\.0\.1$");
    }
}
