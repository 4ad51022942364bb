//! The page that results are laid out on: how wide it is, how text wraps, where prompts end.
//! Text that comes from the guest is made harmless here, just before it becomes lines.

use netlab_protocol::Place;
use textwrap::WordSplitter;
use unicode_width::UnicodeWidthStr as _;

use super::escape::harmless;
use super::style::{Palette, Symbols};
use super::surroundings::Terminal;
use crate::instance::Name;

/// Columns before a claim, its sign included; a step's title and its why begin there too.
pub(super) const MARGIN: usize = 8;

/// Names of namespaces longer than this push their command to the right instead of all others.
const MAX_LABEL: usize = 12;

/// Longest name of a place that is shown, in characters: a lab's are no longer, and all that runs there is
/// indented behind it.
const MAX_PLACE: usize = 64;

/// The page.
#[derive(Debug, Clone)]
pub(super) struct Page {
    /// How wide it is.
    pub(super) columns: usize,
    /// Its colours.
    pub(super) palette: Palette,
    /// Its signs.
    pub(super) symbols: &'static Symbols,
    /// Whether programs' own colours may be shown.
    pub(super) colour: bool,
    /// Columns that a namespace's name gets in a prompt.
    label: usize,
    /// Name of the guest, for commands that are told.
    instance: String,
}

impl Page {
    /// A page for a lab with these namespaces, in its order.
    pub(super) fn new(terminal: &Terminal, namespaces: &[String], instance: &str) -> Self {
        let names = namespaces.iter().map(|name| name.width());
        let label = names.filter(|&width| width <= MAX_LABEL).max().unwrap_or(0);
        Self {
            columns: terminal.columns,
            palette: Palette::new(terminal.colour, namespaces),
            symbols: Symbols::for_terminal(terminal.unicode),
            colour: terminal.colour,
            label: label.max(Place::Root.name().len()),
            instance: instance.to_owned(),
        }
    }

    /// A paragraph, indented; it may hold several lines.
    pub(super) fn paragraph(&self, indent: usize, text: &str) -> Vec<String> {
        let blank = " ".repeat(indent);
        let lines = self.plain_lines(indent, text).into_iter();
        lines.map(|line| format!("{blank}{line}")).collect()
    }

    /// Text behind a lead of `width` columns; further lines are indented as far. `paint` colours
    /// the text of each line.
    pub(super) fn hanging(
        &self,
        lead: &str,
        width: usize,
        text: &str,
        paint: impl Fn(&str) -> String,
    ) -> Vec<String> {
        let blank = " ".repeat(width);
        let lines = self.plain_lines(width, text).into_iter().enumerate();
        let lead_of = |number| if number == 0 { lead } else { &blank };
        lines.map(|(number, line)| format!("{}{}", lead_of(number), paint(&line))).collect()
    }

    /// A sign with its text, the text at the margin.
    pub(super) fn signed(&self, sign: &str, painted: &str, text: &str) -> Vec<String> {
        let before = " ".repeat((MARGIN - 1).saturating_sub(sign.width()));
        self.hanging(&format!("{before}{painted} "), MARGIN, text, str::to_owned)
    }

    /// The prompt of a place, its name right-aligned: `  red # `.
    pub(super) fn prompt(&self, place: &Place, sign: char) -> (String, usize) {
        let label = self.label;
        // The guest tells where something runs, and may say anything.
        let name: String = place.name().chars().take(MAX_PLACE).collect();
        let name = harmless(name.as_bytes(), false);
        let text = format!(" {name:>label$} {sign}");
        let width = text.width() + 1;
        (self.palette.place(place, &text) + " ", width)
    }

    /// One line of a program's output, already harmless, behind its prompt.
    pub(super) fn output(&self, place: &Place, line: &str) -> Vec<String> {
        let (prompt, width) = self.prompt(place, '>');
        let blank = " ".repeat(width);
        let lead_of = |number| if number == 0 { &prompt } else { &blank };
        let lines = wrap(line, self.columns.saturating_sub(width)).into_iter().enumerate();
        lines
            .map(|(number, line)| format!("{}{line}", lead_of(number)).trim_end().to_owned())
            .collect()
    }

    /// A remark in the column where commands begin.
    pub(super) fn remark(&self, text: &str) -> Vec<String> {
        let width = self.prompt(&Place::Root, '#').1;
        self.hanging(&" ".repeat(width), width, text, |line| self.palette.faint(line))
    }

    /// A remark at the right edge, beside a line of `used` columns if there is room, else beneath.
    pub(super) fn at_right(&self, mut line: String, used: usize, remark: &str) -> Vec<String> {
        let width = remark.width();
        let remark = self.palette.faint(remark);
        if used + 2 + width <= self.columns {
            line.push_str(&" ".repeat(self.columns - used - width));
            return vec![line + &remark];
        }
        let beneath = " ".repeat(self.columns.saturating_sub(width)) + &remark;
        if used == 0 { vec![beneath] } else { vec![line, beneath] }
    }

    /// A command of netlab as one types it for this guest.
    pub(super) fn netlab(&self, arguments: &str) -> String {
        match self.instance.as_str() {
            Name::DEFAULT => format!("netlab {arguments}"),
            name => format!("netlab --name {name} {arguments}"),
        }
    }

    /// The command that opens a shell in a place. It is there to be typed, and the guest may have made up
    /// the place: of a name that means something to a shell it says nothing.
    pub(super) fn shell(&self, place: &Place) -> String {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        match place {
            Place::Namespace(name) if name.chars().all(is_plain) => {
                self.netlab(&format!("shell {name}"))
            }
            Place::Root | Place::Namespace(_) => self.netlab("shell"),
        }
    }

    fn plain_lines(&self, indent: usize, text: &str) -> Vec<String> {
        let width = self.columns.saturating_sub(indent).max(1);
        let plain = |line: &str| joined(&harmless(line.as_bytes(), false));
        let lines = text.lines().flat_map(|line| wrap(&plain(line), width));
        lines.map(|line| line.replace(JOINT, " ")).collect()
    }
}

/// Stands for a blank at which a line is not broken.
const JOINT: char = '\u{a0}';

/// Joins the words of what stands in backticks, so that it can be typed as it is read, and a time
/// at the end of a remark with its unit.
fn joined(line: &str) -> String {
    let join = |(number, part): (usize, &str)| {
        // Every other part stands between two backticks.
        let typed = number % 2 == 1;
        let blanks: &[&str] = if typed { &[" "] } else { &[" s)", " ms)"] };
        blanks.iter().fold(part.to_owned(), |part, blank| {
            part.replace(blank, &blank.replace(' ', &JOINT.to_string()))
        })
    };
    line.split('`').enumerate().map(join).collect::<Vec<_>>().join("`")
}

/// Breaks a line at blanks; only a word that is longer than a whole line is cut.
fn wrap(line: &str, width: usize) -> Vec<String> {
    let options = textwrap::Options::new(width.max(1)).word_splitter(WordSplitter::NoHyphenation);
    textwrap::wrap(line, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(columns: usize, namespaces: &[&str]) -> Page {
        let (input, output, redraw, colour, unicode) = (false, false, false, false, true);
        let terminal = Terminal { input, output, redraw, columns, colour, unicode };
        let names: Vec<String> = namespaces.iter().map(|&name| name.to_owned()).collect();
        Page::new(&terminal, &names, Name::DEFAULT)
    }

    #[test]
    fn prompts_are_as_wide_as_the_longest_reasonable_name() {
        let page = page(80, &["red", "dhcp-r", "a-very-long-name"]);
        assert_eq!(page.prompt(&Place::Root, '#'), ("   root # ".to_owned(), 10));
        let long = Place::Namespace("a-very-long-name".to_owned());
        assert_eq!(page.prompt(&long, '#'), (" a-very-long-name # ".to_owned(), 20));
    }

    #[test]
    fn a_place_that_a_guest_made_up_steers_no_terminal() {
        let page = page(40, &[]);
        let place = Place::Namespace("\u{1b}]0;title\u{7}x\u{9b}2J".to_owned());
        assert_eq!(page.prompt(&place, '>').0, "  x2J > ");
        let long = Place::Namespace("y".repeat(1 << 20));
        assert_eq!(page.prompt(&long, '>').1, MAX_PLACE + 4);
        assert!(page.output(&long, "text")[0].ends_with("y > t"));
    }

    #[test]
    fn what_is_told_to_be_typed_is_one_command_whatever_the_guest_calls_a_place() {
        let shell = |name: &str| page(40, &[]).shell(&Place::Namespace(name.to_owned()));
        assert_eq!(shell("dhcp-r"), "netlab shell dhcp-r");
        for name in ["x; reboot", "$(reboot)", "a b", "x\nreboot", "`reboot`"] {
            assert_eq!(shell(name), "netlab shell", "{name}");
        }
    }

    #[test]
    fn output_keeps_its_own_indentation_and_wraps_under_itself() {
        let page = page(40, &["red"]);
        let red = Place::Namespace("red".to_owned());
        assert_eq!(
            page.output(&red, "    link/ether 5a:01:02:03:04:05 brd ff:ff:ff:ff:ff:ff"),
            ["  red >     link/ether 5a:01:02:03:04:05", "        brd ff:ff:ff:ff:ff:ff"]
        );
        assert_eq!(page.output(&red, ""), ["  red >"]);
        assert!(page.output(&red, &"x".repeat(100)).iter().all(|line| line.len() <= 40));
    }

    #[test]
    fn what_is_to_be_typed_is_not_broken_unless_it_is_longer_than_a_line() {
        let page = page(40, &[]);
        let text = "look around with `netlab --name second shell red`, then go on";
        assert_eq!(
            page.paragraph(2, text),
            ["  look around with", "  `netlab --name second shell red`, then", "  go on"]
        );
        let long = format!("`{}`", "word ".repeat(20));
        assert!(page.paragraph(2, &long).iter().all(|line| line.len() <= 40));
    }

    #[test]
    fn a_remark_goes_beneath_where_there_is_no_room_beside() {
        let page = page(40, &[]);
        let beside = page.at_right("short".to_owned(), 5, "1.4 s");
        assert_eq!(beside, [format!("short{}1.4 s", " ".repeat(30))]);
        let beneath = page.at_right("x".repeat(38), 38, "1.4 s");
        assert_eq!(beneath, ["x".repeat(38), format!("{}1.4 s", " ".repeat(35))]);
    }
}
