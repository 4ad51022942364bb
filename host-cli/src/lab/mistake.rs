//! The mistakes of a lab file: collected, sorted, and rendered as plain text all at once.
//!
//! Each module that reads a part of the file has an enum of the mistakes it finds; what they have
//! in common is [`Explain`]: the words, and what to write instead.

use std::fmt;

use crate::error::{Exit, Hint};

use super::source::{Lines, Source, Span};

/// What one kind of mistake knows: its message, as [`fmt::Display`], and its cure.
pub trait Explain: fmt::Display {
    /// What to write instead, in one line.
    fn cure(&self) -> String;
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    span: Span,
    message: String,
    cure: String,
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub struct Found(Vec<Mistake>);

impl Found {
    /// Adds one.
    pub fn push(&mut self, span: Span, mistake: impl Explain) {
        self.0.push(Mistake { span, message: mistake.to_string(), cure: mistake.cure() });
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Renders them against the file they are in.
    pub fn into_mistakes(mut self, source: &Source) -> Mistakes {
        self.0.sort_by_key(|mistake| (mistake.span.start, mistake.span.end));
        let lines = Lines::new(&source.text);
        let rendered =
            self.0.iter().take(SHOWN).map(|mistake| render(mistake, &source.name, &lines));
        Mistakes { name: source.name.clone(), rendered: rendered.collect(), count: self.0.len() }
    }
}

/// How many mistakes are shown; a file with more is something else than a lab.
const SHOWN: usize = 50;

/// All the mistakes of one lab file. Nothing is started for such a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    name: String,
    rendered: Vec<String>,
    count: usize,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "mistake" } else { "mistakes" };
        write!(formatter, "{} {plural} in the lab file `{}`", self.count, self.name)?;
        for mistake in &self.rendered {
            write!(formatter, "\n\n{mistake}")?;
        }
        if self.count > self.rendered.len() {
            write!(formatter, "\n\nand {} more", self.count - self.rendered.len())?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

impl Hint for Mistakes {
    fn hint(&self) -> String {
        format!(
            "correct the file and look at it with `netlab show {}`, which starts nothing\n\
             `labs/README.md` lists every word and key",
            self.name
        )
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Draws one mistake: place and words, the line, the caret, the cure.
fn render(mistake: &Mistake, name: &str, lines: &Lines<'_>) -> String {
    let position = lines.position(mistake.span.start);
    let excerpt = lines.excerpt(&mistake.span);
    let number = position.line.to_string();
    let margin = " ".repeat(number.len());
    format!(
        "{name}:{}:{}: {}\n  {number} | {}\n  {margin} | {}{}\n  {margin} = {}",
        position.line,
        position.column,
        mistake.message,
        excerpt.text,
        " ".repeat(excerpt.indent),
        "^".repeat(excerpt.width),
        mistake.cure,
    )
}

/// Says what to write instead of an unknown word: the one that was probably meant, or all.
pub fn instead(unknown: &str, known: &[impl AsRef<str>]) -> String {
    let near = known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(unknown, word.as_ref()), word.as_ref()))
        .min_by_key(|(distance, _)| *distance)
        // A third of the letters may differ: `claime` is `claim`, `reach` is not `route`.
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).max(1));
    match near {
        Some((_, word)) => format!("did you mean `{word}`?"),
        None => format!("known here: {}", list(known)),
    }
}

/// Lists words in backticks.
pub fn list(words: &[impl AsRef<str>]) -> String {
    if words.is_empty() {
        return "none".to_owned();
    }
    let quoted: Vec<_> = words.iter().map(|word| format!("`{}`", word.as_ref())).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_offered_and_a_far_one_gets_the_list() {
        let known = ["claim", "control", "within"];
        assert_eq!(instead("claime", &known), "did you mean `claim`?");
        assert_eq!(instead("wihtin", &known), "did you mean `within`?");
        assert_eq!(instead("colour", &known), "known here: `claim`, `control`, `within`");
        assert_eq!(instead("x", &[] as &[&str]), "known here: none");
    }

    struct Plain;

    impl fmt::Display for Plain {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("word")
        }
    }

    impl Explain for Plain {
        fn cure(&self) -> String {
            "cure".to_owned()
        }
    }

    #[test]
    fn a_file_that_is_all_mistakes_does_not_flood_the_terminal() {
        let source = Source { name: "a.md".to_owned(), text: "x\n".repeat(60) };
        let mut found = Found::default();
        for line in (0..60).rev() {
            found.push(line * 2..line * 2 + 1, Plain);
        }
        let text = found.into_mistakes(&source).to_string();
        let head = "60 mistakes in the lab file `a.md`\n\n\
                    a.md:1:1: word\n  1 | x\n    | ^\n    = cure\n\n\
                    a.md:2:1: word\n";
        assert!(text.starts_with(head), "{text}");
        assert!(text.ends_with("\n\nand 10 more"), "{text}");
        assert_eq!(text.matches(": word\n").count(), SHOWN);
    }
}
