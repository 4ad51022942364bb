//! What standard input, output and error are connected to, and so whether to colour, to redraw, to
//! wrap. Decided once by a pure function of what the system says, never asked for again.

use std::env;
use std::io::{self, IsTerminal as _};

/// Columns where nobody says how many there are: what mail, patches and pagers expect.
const DEFAULT_COLUMNS: u16 = 80;

/// Below it nothing is legible; above it lines are too long to follow.
const COLUMNS: (u16, u16) = (40, 120);

/// What the user is looking at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Whether somebody can type.
    pub input: bool,
    /// Whether standard output is a terminal.
    pub output: bool,
    /// Whether standard error is a terminal that can redraw a line.
    pub redraw: bool,
    /// Columns to lay text out in, 40 to 120.
    pub columns: usize,
    /// Whether standard output gets colour.
    pub colour: bool,
    /// Whether it shows characters beyond ASCII.
    pub unicode: bool,
}

/// What the system says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Surroundings {
    /// Whether standard input, output and error are terminals.
    streams: [bool; 3],
    columns: Option<u16>,
    windows: bool,
    no_color: Option<String>,
    term: Option<String>,
    /// `LC_ALL`, `LC_CTYPE`, `LANG`: the first that is set and not empty decides.
    locale: [Option<String>; 3],
    /// `WT_SESSION`: set by Windows Terminal, whose font has what ours needs.
    windows_terminal: Option<String>,
}

impl Terminal {
    /// Asks the system.
    pub fn detect() -> Self {
        let variable = |name| env::var(name).ok();
        let terminal = Self::decide(&Surroundings {
            streams: [
                io::stdin().is_terminal(),
                io::stdout().is_terminal(),
                io::stderr().is_terminal(),
            ],
            columns: crossterm::terminal::size().ok().map(|(columns, _)| columns),
            windows: env::consts::OS == "windows",
            no_color: variable("NO_COLOR"),
            term: variable("TERM"),
            locale: ["LC_ALL", "LC_CTYPE", "LANG"].map(variable),
            windows_terminal: variable("WT_SESSION"),
        });
        // The Windows console takes colours as text only when told to; an old one can't.
        let refused =
            terminal.colour && anstyle_query::windows::enable_ansi_colors() == Some(false);
        Self { colour: terminal.colour && !refused, ..terminal }
    }

    fn decide(surroundings: &Surroundings) -> Self {
        let [input, output, error] = surroundings.streams;
        let set =
            |variable: &Option<String>| variable.as_ref().is_some_and(|text| !text.is_empty());
        let dumb = surroundings.term.as_deref() == Some("dumb");
        let columns = surroundings.columns.filter(|_| output).unwrap_or(DEFAULT_COLUMNS);
        Self {
            input,
            output,
            redraw: error && !dumb,
            columns: usize::from(columns.clamp(COLUMNS.0, COLUMNS.1)),
            colour: output && !dumb && !set(&surroundings.no_color),
            unicode: if surroundings.windows {
                set(&surroundings.windows_terminal)
            } else {
                let locale = surroundings.locale.iter().find(|variable| set(variable));
                locale.and_then(Option::as_deref).is_some_and(is_utf8)
            },
        }
    }

    /// Says whether somebody sits here who reads and can answer.
    pub fn is_interactive(&self) -> bool {
        self.input && self.output
    }
}

/// Says whether a locale's name, such as `de_DE.UTF-8@euro`, names UTF-8.
fn is_utf8(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_a_terminal() -> Surroundings {
        Surroundings {
            streams: [true; 3],
            columns: Some(100),
            term: Some("xterm-256color".to_owned()),
            locale: [None, None, Some("C.UTF-8".to_owned())],
            ..Surroundings::default()
        }
    }

    #[test]
    fn colour_only_on_a_terminal_that_takes_it_and_a_user_who_wants_it() {
        let some = |text: &str| Some(text.to_owned());
        let pipe = [true, false, true];
        let cases = [
            (at_a_terminal(), true),
            (Surroundings { streams: pipe, ..at_a_terminal() }, false),
            (Surroundings { no_color: some("1"), ..at_a_terminal() }, false),
            (Surroundings { no_color: some(""), ..at_a_terminal() }, true),
            (Surroundings { term: some("dumb"), ..at_a_terminal() }, false),
            (Surroundings { term: None, ..at_a_terminal() }, true),
        ];
        for (surroundings, colour) in cases {
            assert_eq!(Terminal::decide(&surroundings).colour, colour, "{surroundings:?}");
        }
    }

    #[test]
    fn columns_are_80_in_a_pipe_and_between_40_and_120_on_a_terminal() {
        let cases = [(true, Some(100), 100), (true, Some(20), 40), (true, Some(400), 120)];
        let others = [(true, None, 80), (false, Some(200), 80)];
        for (output, columns, expected) in cases.into_iter().chain(others) {
            let streams = [true, output, true];
            let surroundings = Surroundings { streams, columns, ..at_a_terminal() };
            assert_eq!(Terminal::decide(&surroundings).columns, expected, "{surroundings:?}");
        }
    }

    #[test]
    fn unicode_is_the_locales_word_and_on_windows_the_terminals() {
        let locale = |all: &str, ctype: &str, lang: &str| Surroundings {
            locale: [all, ctype, lang].map(|text| Some(text.to_owned())),
            ..at_a_terminal()
        };
        let windows = |session: Option<&str>| Surroundings {
            windows: true,
            windows_terminal: session.map(str::to_owned),
            ..at_a_terminal()
        };
        let cases = [
            (locale("", "", "de_DE.UTF-8"), true),
            (locale("", "UTF-8", "C"), true),
            (locale("POSIX", "en_US.utf8", "en_US.utf8"), false),
            (locale("", "", ""), false),
            (windows(Some("7a1e")), true),
            (windows(None), false),
        ];
        for (surroundings, unicode) in cases {
            assert_eq!(Terminal::decide(&surroundings).unicode, unicode, "{surroundings:?}");
        }
    }

    #[test]
    fn a_line_is_redrawn_where_errors_go_to_a_terminal_that_can() {
        let piped = Surroundings { streams: [true, true, false], ..at_a_terminal() };
        let dumb = Surroundings { term: Some("dumb".to_owned()), ..at_a_terminal() };
        let cases = [(at_a_terminal(), true), (piped, false), (dumb, false)];
        for (surroundings, redraw) in cases {
            assert_eq!(Terminal::decide(&surroundings).redraw, redraw, "{surroundings:?}");
        }
    }
}
