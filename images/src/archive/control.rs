//! Debian's control format (deb822): stanzas of `Field: value` lines.
//!
//! Fields are looked up as the specification wants it, without regard to case; continuation lines
//! begin with a space or a tab and stay part of the value.

/// Splits a file into its stanzas.
pub fn stanzas(text: &str) -> impl Iterator<Item = Stanza<'_>> {
    text.split("\n\n").filter(|block| !block.trim().is_empty()).map(Stanza)
}

/// A block of fields.
#[derive(Debug, Clone, Copy)]
pub struct Stanza<'a>(&'a str);

impl<'a> Stanza<'a> {
    /// Takes a text that holds one stanza only.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Returns the first line of a field's value.
    pub fn get(&self, field: &str) -> Option<&'a str> {
        self.lines(field).next().filter(|value| !value.is_empty())
    }

    /// Returns the lines of a field's value, trimmed; the first is what stands beside the name.
    pub fn lines(&self, field: &str) -> impl Iterator<Item = &'a str> {
        let mut lines = self.0.lines().skip_while({
            let field = field.to_owned();
            move |line| value_of(line, &field).is_none()
        });
        let first = lines.next().and_then(|line| value_of(line, field));
        first
            .into_iter()
            .chain(lines.take_while(|line| line.starts_with([' ', '\t'])).map(str::trim))
    }
}

fn value_of<'a>(line: &'a str, field: &str) -> Option<&'a str> {
    let (name, value) = line.split_once(':')?;
    name.eq_ignore_ascii_case(field).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_their_own_stanza() {
        let text = "Package: a\nSHA256:\n one\n two\nSize: 3\n\npackage: b\n";
        let found: Vec<_> = stanzas(text).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].get("Package"), Some("a"));
        assert_eq!(found[0].lines("sha256").collect::<Vec<_>>(), ["", "one", "two"]);
        assert_eq!(found[0].get("Size"), Some("3"));
        assert_eq!(found[1].get("Package"), Some("b"));
        assert_eq!(found[1].get("Size"), None);
    }
}
