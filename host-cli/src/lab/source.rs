//! A lab file's text, and the way from a byte offset to what a person sees.
//!
//! Spans are byte ranges of the text. Columns count characters, as editors do; a caret stands
//! under what a terminal draws, so tabs and wide characters are measured there.

use std::ops::Range;

use unicode_width::UnicodeWidthChar as _;

/// Byte range of the lab file's text.
pub type Span = Range<usize>;

/// A lab file, read but not yet understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What messages call it: the path as the user typed it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A value and where in the file it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Located<T> {
    /// Puts a value and its place together.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A place as editors count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A line of the file as it is drawn, with the columns that a span takes on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, its tabs expanded and its control characters made visible.
    pub text: String,
    /// Cells to the left of the span.
    pub indent: usize,
    /// Cells that the span covers, at least 1; a span over several lines ends with the first.
    pub width: usize,
}

/// Where each line begins, so that a place is found without counting from the top each time.
#[derive(Debug)]
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

/// Cells from one tab stop to the next in an excerpt.
const TAB_CELLS: usize = 4;

/// Cells of a line that an excerpt shows: with its margin it fits a terminal of 100.
const EXCERPT_CELLS: usize = 88;

impl<'a> Lines<'a> {
    /// Finds the lines of a text.
    pub fn new(text: &'a str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Self { text, starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    /// Returns the place of a byte offset.
    pub fn position(&self, offset: usize) -> Position {
        let index = self.index(offset);
        let before = self.text.get(self.starts[index]..offset).unwrap_or_default();
        Position { line: as_count(index + 1), column: as_count(before.chars().count() + 1) }
    }

    /// Returns the line of a byte offset, from 1.
    pub fn line(&self, offset: usize) -> u32 {
        as_count(self.index(offset) + 1)
    }

    /// Draws the line on which a span begins.
    pub fn excerpt(&self, span: &Span) -> Excerpt {
        let start = self.starts[self.index(span.start)];
        let line = self.text[start..].lines().next().unwrap_or_default();
        let mut drawn = Drawn::default();
        for (offset, character) in line.char_indices() {
            drawn.mark(span, start + offset);
            drawn.push(character);
        }
        drawn.mark(span, start + line.len());
        drawn.into_excerpt()
    }

    fn index(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }
}

/// A line while it is drawn.
#[derive(Default)]
struct Drawn {
    text: String,
    cells: usize,
    from: Option<usize>,
    to: Option<usize>,
}

impl Drawn {
    /// Remembers the cell at which the span begins or ends, if it does at this offset.
    fn mark(&mut self, span: &Span, offset: usize) {
        if self.from.is_none() && offset >= span.start {
            self.from = Some(self.cells);
        }
        if self.to.is_none() && offset >= span.end {
            self.to = Some(self.cells);
        }
    }

    fn push(&mut self, character: char) {
        match character {
            '\t' => {
                let stop = (self.cells / TAB_CELLS + 1) * TAB_CELLS;
                self.text.extend(std::iter::repeat_n(' ', stop - self.cells));
                self.cells = stop;
            }
            // An escape sequence of the file must not reach the terminal.
            _ if character.is_control() => {
                self.text.push('\u{fffd}');
                self.cells += 1;
            }
            _ => {
                self.text.push(character);
                self.cells += character.width().unwrap_or(0);
            }
        }
    }

    fn into_excerpt(self) -> Excerpt {
        let indent = self.from.unwrap_or(self.cells);
        let width = self.to.unwrap_or(self.cells).saturating_sub(indent).max(1);
        if self.cells <= EXCERPT_CELLS {
            return Excerpt { text: self.text, indent, width };
        }
        // A long line is shown from a little before the span.
        let skipped = indent.saturating_sub(EXCERPT_CELLS / 2);
        let mut cells = 0;
        let window: String = self
            .text
            .chars()
            .filter(|character| {
                cells += character.width().unwrap_or(0);
                cells > skipped && cells <= skipped + EXCERPT_CELLS
            })
            .collect();
        let lead = if skipped > 0 { "…" } else { "" };
        let tail = if self.cells > skipped + EXCERPT_CELLS { "…" } else { "" };
        Excerpt {
            text: format!("{lead}{window}{tail}"),
            indent: indent - skipped + usize::from(skipped > 0),
            width: width.min(EXCERPT_CELLS.saturating_sub(indent - skipped)).max(1),
        }
    }
}

/// Files are limited far below 4 G lines or columns; saturating keeps the cast honest.
fn as_count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_carets_count_cells() {
        // Text, span, (line, column), drawn line, indent, width.
        let cases = [
            ("abc", 1..2, (1, 2), "abc", 1, 1),
            ("a\nbcd", 3..5, (2, 2), "bcd", 1, 2),
            ("\tab", 1..3, (1, 2), "    ab", 4, 2),
            ("漢字x", 6..7, (1, 3), "漢字x", 4, 1),
            ("漢字x", 0..3, (1, 1), "漢字x", 0, 2),
            ("é=1", 2..3, (1, 2), "é=1", 1, 1),
            ("ab", 2..2, (1, 3), "ab", 2, 1),
            ("ab\r\ncd", 0..6, (1, 1), "ab", 0, 2),
            ("\u{1b}[2Jx", 4..5, (1, 5), "\u{fffd}[2Jx", 4, 1),
            ("", 0..0, (1, 1), "", 0, 1),
        ];
        for (text, span, (line, column), drawn, indent, width) in cases {
            let lines = Lines::new(text);
            assert_eq!(lines.position(span.start), Position { line, column }, "{text:?}");
            let expected = Excerpt { text: drawn.to_owned(), indent, width };
            assert_eq!(lines.excerpt(&span), expected, "{text:?}");
        }
    }

    #[test]
    fn a_long_line_is_shown_around_its_span() {
        let text = format!("{}HERE{}", "a".repeat(200), "b".repeat(200));
        let excerpt = Lines::new(&text).excerpt(&(200..204));
        let marked: String =
            excerpt.text.chars().skip(excerpt.indent).take(excerpt.width).collect();
        assert_eq!(marked, "HERE");
        assert_eq!(excerpt.text.chars().count(), EXCERPT_CELLS + 2);
    }
}
