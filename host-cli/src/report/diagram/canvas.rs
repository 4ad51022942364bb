//! A grid of characters to draw on. Lines know where they go, so that where two meet the right
//! corner or crossing appears by itself.

use netlab_protocol::Place;
use unicode_width::UnicodeWidthChar as _;

/// A piece of a line in one colour: that of a namespace, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What stands there.
    pub text: String,
    /// The namespace it belongs to.
    pub place: Option<Place>,
}

/// One line of a drawing.
pub type Line = Vec<Span>;

const UP: u8 = 1;
const DOWN: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;

/// By the directions in which a line leaves the cell, as a number of [`UP`] to [`RIGHT`].
const UNICODE: [char; 16] =
    [' ', '│', '│', '│', '─', '┘', '┐', '┤', '─', '└', '┌', '├', '─', '┴', '┬', '┼'];
const ASCII: [char; 16] =
    [' ', '|', '|', '|', '-', '+', '+', '+', '-', '+', '+', '+', '-', '+', '+', '+'];

/// The grid.
#[derive(Debug)]
pub(super) struct Canvas {
    rows: Vec<Vec<Cell>>,
    lines: &'static [char; 16],
}

#[derive(Debug, Clone, Default)]
struct Cell {
    /// Directions of lines through the cell, if no character covers them.
    directions: u8,
    character: Option<char>,
    place: Option<Place>,
}

/// A rectangle: left, top, width, height.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Canvas {
    /// An empty grid.
    pub(super) fn new(unicode: bool) -> Self {
        Self { rows: Vec::new(), lines: if unicode { &UNICODE } else { &ASCII } }
    }

    /// Number of rows so far.
    pub(super) fn height(&self) -> usize {
        self.rows.len()
    }

    /// Writes text over whatever is there.
    pub(super) fn text(&mut self, x: usize, y: usize, text: &str, place: Option<&Place>) {
        // A cell is one column: a wider character would shift all that follows, and a control
        // character has no width at all.
        for (x, character) in (x..).zip(text.chars()) {
            let narrow = character.width() == Some(1);
            let cell = self.cell(x, y);
            cell.character = Some(if narrow { character } else { '?' });
            cell.place = place.cloned();
        }
    }

    /// Draws a frame with its title in the upper line.
    pub(super) fn frame(&mut self, area: Area, title: &str, place: Option<&Place>) {
        let Area { x, y, width, height } = area;
        let (right, bottom) = (x + width - 1, y + height - 1);
        self.horizontal(y, x, right, place);
        self.horizontal(bottom, x, right, place);
        self.vertical(x, y, bottom, place);
        self.vertical(right, y, bottom, place);
        self.text(x + 2, y, &format!(" {title} "), place);
    }

    /// Draws a line from one column to another.
    pub(super) fn horizontal(&mut self, y: usize, from: usize, to: usize, place: Option<&Place>) {
        for x in from..=to {
            let left = if x > from { LEFT } else { 0 };
            let right = if x < to { RIGHT } else { 0 };
            self.draw(x, y, left | right, place);
        }
    }

    /// Draws a line from one row to another.
    pub(super) fn vertical(&mut self, x: usize, from: usize, to: usize, place: Option<&Place>) {
        for y in from..=to {
            let up = if y > from { UP } else { 0 };
            let down = if y < to { DOWN } else { 0 };
            self.draw(x, y, up | down, place);
        }
    }

    /// The drawing, without trailing blanks.
    pub(super) fn into_lines(self) -> Vec<Line> {
        let lines = self.lines;
        self.rows.into_iter().map(|row| spans(row, lines)).collect()
    }

    fn draw(&mut self, x: usize, y: usize, directions: u8, place: Option<&Place>) {
        let cell = self.cell(x, y);
        cell.directions |= directions;
        cell.place = place.cloned();
    }

    fn cell(&mut self, x: usize, y: usize) -> &mut Cell {
        if self.rows.len() <= y {
            self.rows.resize(y + 1, Vec::new());
        }
        let row = &mut self.rows[y];
        if row.len() <= x {
            row.resize(x + 1, Cell::default());
        }
        &mut row[x]
    }
}

fn spans(row: Vec<Cell>, lines: &[char; 16]) -> Line {
    let mut line = Line::new();
    for cell in row {
        let character = cell.character.unwrap_or(lines[usize::from(cell.directions)]);
        match line.last_mut() {
            // A blank has no colour, so it needs no span of its own.
            Some(span) if span.place == cell.place || character == ' ' => span.text.push(character),
            _ => line.push(Span { text: character.to_string(), place: cell.place }),
        }
    }
    if let Some(last) = line.last_mut() {
        last.text.truncate(last.text.trim_end().len());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(canvas: Canvas) -> Vec<String> {
        let join = |line: Line| line.into_iter().map(|span| span.text).collect();
        canvas.into_lines().into_iter().map(join).collect()
    }

    #[test]
    fn lines_that_meet_make_corners_and_crossings() {
        for (unicode, expected) in [
            (true, ["┌─ a ─┐", "│     │", "└──┬──┘", "   │", " ──┼──", "   │"]),
            (false, ["+- a -+", "|     |", "+--+--+", "   |", " --+--", "   |"]),
        ] {
            let mut canvas = Canvas::new(unicode);
            canvas.frame(Area { x: 0, y: 0, width: 7, height: 3 }, "a", None);
            canvas.vertical(3, 2, 5, None);
            canvas.horizontal(4, 1, 5, None);
            assert_eq!(text(canvas), expected);
        }
    }

    #[test]
    fn what_belongs_to_a_namespace_is_one_span_of_its_own() {
        let red = Place::Namespace("red".to_owned());
        let mut canvas = Canvas::new(true);
        canvas.text(0, 0, "a", None);
        canvas.text(2, 0, "red 演", Some(&red));
        let span = |text: &str, place| Span { text: text.to_owned(), place };
        assert_eq!(canvas.into_lines(), [[span("a ", None), span("red ?", Some(red))]]);
    }
}
