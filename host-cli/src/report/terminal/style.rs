//! How things look: symbols with their ASCII stand-ins, colours, one per namespace. Colour only
//! repeats what symbols and words say already; nothing is lost without it.

use anstyle::{AnsiColor, Style};
use netlab_protocol::Place;

/// The signs of the output.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Symbols {
    /// Before what came out as it should.
    pub(super) good: &'static str,
    /// Before what did not.
    pub(super) bad: &'static str,
    /// Before a mechanism that is taken away.
    pub(super) without: &'static str,
    /// For what is left out.
    pub(super) ellipsis: &'static str,
    /// Between things said in one line.
    pub(super) dot: &'static str,
}

const UNICODE: Symbols =
    Symbols { good: "✓", bad: "✗", without: "↺", ellipsis: "…", dot: "·" };

const ASCII: Symbols =
    Symbols { good: "ok", bad: "FAIL", without: "~~", ellipsis: "...", dot: "-" };

impl Symbols {
    /// The signs that a terminal can show.
    pub(super) fn for_terminal(unicode: bool) -> &'static Self {
        if unicode { &UNICODE } else { &ASCII }
    }
}

/// Namespaces get these in the lab's order, except that one named after a colour gets that colour.
/// Plain blue is illegible on a black ground.
const NAMESPACE_COLOURS: [(&str, AnsiColor); 6] = [
    ("red", AnsiColor::Red),
    ("blue", AnsiColor::BrightBlue),
    ("magenta", AnsiColor::Magenta),
    ("cyan", AnsiColor::Cyan),
    ("yellow", AnsiColor::Yellow),
    ("green", AnsiColor::Green),
];

/// Paints text, if colours are wanted.
#[derive(Debug, Clone)]
pub(super) struct Palette {
    colour: bool,
    namespaces: Vec<(String, AnsiColor)>,
}

impl Palette {
    /// A palette for a lab with these namespaces, in its order.
    pub(super) fn new(colour: bool, namespaces: &[String]) -> Self {
        let own = |name: &str| NAMESPACE_COLOURS.iter().find(|(colour, _)| *colour == name);
        let mut free = NAMESPACE_COLOURS
            .iter()
            .filter(|(colour, _)| !namespaces.iter().any(|name| name == colour))
            .chain(&NAMESPACE_COLOURS)
            .cycle();
        let pick = |name: &String| {
            let (_, colour) = own(name).or_else(|| free.next())?;
            Some((name.clone(), *colour))
        };
        Self { colour, namespaces: namespaces.iter().filter_map(pick).collect() }
    }

    /// Paints in a namespace's colour; root has none.
    pub(super) fn place(&self, place: &Place, text: &str) -> String {
        let colour = self.namespaces.iter().find(|(name, _)| name == place.name());
        self.paint(colour.map_or(Style::new(), |(_, colour)| colour.on_default()), text)
    }

    /// For titles and what is typed.
    pub(super) fn strong(&self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// For what stands beside the matter.
    pub(super) fn faint(&self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    /// For what came out as it should.
    pub(super) fn good(&self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    /// For what did not.
    pub(super) fn bad(&self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    /// For a mechanism that is taken away.
    pub(super) fn without(&self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.colour && !style.is_plain() && !text.is_empty() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colours(namespaces: &[&str]) -> Vec<AnsiColor> {
        let names: Vec<String> = namespaces.iter().map(|&name| name.to_owned()).collect();
        Palette::new(true, &names).namespaces.into_iter().map(|(_, colour)| colour).collect()
    }

    #[test]
    fn a_namespace_named_after_a_colour_has_it_and_the_others_take_what_is_left() {
        use AnsiColor::{BrightBlue, Cyan, Magenta, Red};
        assert_eq!(colours(&["red", "blue", "dhcp-r", "dhcp-b"]), [Red, BrightBlue, Magenta, Cyan]);
        assert_eq!(colours(&["a", "blue", "red", "b"]), [Magenta, BrightBlue, Red, Cyan]);
        assert_eq!(colours(&["1", "2", "3", "4", "5", "6", "7"])[6], Red);
    }

    #[test]
    fn without_colour_text_is_left_as_it_is_and_root_never_has_one() {
        let names = ["red".to_owned()];
        let red = Place::Namespace("red".to_owned());
        assert_eq!(Palette::new(false, &names).place(&red, "red #"), "red #");
        assert_eq!(Palette::new(true, &names).place(&red, "red #"), "\u{1b}[31mred #\u{1b}[0m");
        assert_eq!(Palette::new(true, &names).place(&Place::Root, "root #"), "root #");
    }
}
