//! What a guest's program prints must not drive the user's terminal: no title, no clipboard, no
//! cursor, no screen. One line of bytes goes in, harmless text comes out; of all escape sequences
//! only those for colour may stay.

use anstyle_parse::{DefaultCharAccumulator, Params, Parser, Perform};

/// Columns between tab stops, as terminals have them.
const TAB: usize = 8;

/// Ends a line in which a colour was set, whatever the program forgot.
const RESET: &str = "\u{1b}[0m";

/// Makes one line of output harmless: invalid UTF-8 becomes U+FFFD, tabs become blanks, control
/// characters and escape sequences go, save colours if `colour` says so. Of a line that a program
/// overwrote with carriage returns, the last state is kept.
pub(super) fn harmless(line: &[u8], colour: bool) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches('\r');
    let text = text.rsplit('\r').next().unwrap_or(text);

    let mut writer = Writer { text: String::new(), column: 0, colour, coloured: false };
    let mut parser = Parser::<DefaultCharAccumulator>::new();
    for byte in text.bytes() {
        parser.advance(&mut writer, byte);
    }
    if writer.coloured {
        writer.text.push_str(RESET);
    }
    writer.text
}

struct Writer {
    text: String,
    column: usize,
    colour: bool,
    coloured: bool,
}

impl Perform for Writer {
    fn print(&mut self, character: char) {
        if !is_harmful(character) {
            self.text.push(character);
            self.column += 1;
        }
    }

    fn execute(&mut self, byte: u8) {
        if byte == b'\t' {
            let blanks = TAB - self.column % TAB;
            self.text.push_str(&" ".repeat(blanks));
            self.column += blanks;
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: u8) {
        if !self.colour || ignore || !intermediates.is_empty() || action != b'm' {
            return;
        }
        let join = |group: &[u16]| group.iter().map(u16::to_string).collect::<Vec<_>>().join(":");
        let groups: Vec<String> = params.iter().map(join).collect();
        self.text.push_str(&format!("\u{1b}[{}m", groups.join(";")));
        self.coloured = true;
    }
}

/// Characters that act rather than show: controls, and those that reverse the direction of text,
/// with which one line can be made to read as another.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Fails unless a line is text and colours, and nothing else.
#[cfg(test)]
#[track_caller]
pub(in crate::report) fn assert_harmless(line: &str) {
    let mut pieces = line.split('\u{1b}');
    let text = pieces.next().unwrap_or_default();
    assert!(!text.chars().any(is_harmful), "{text:?}");
    for piece in pieces {
        let (numbers, text) = piece.split_once('m').expect("an end");
        let is_colour = |byte: u8| byte.is_ascii_digit() || b"[;:".contains(&byte);
        assert!(numbers.starts_with('[') && numbers.bytes().all(is_colour), "{numbers:?}");
        assert!(!text.chars().any(is_harmful), "{text:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_guest_prints_reaches_the_terminal_as_a_command() {
        let cases: [(&[u8], &str, &str); 15] = [
            (b"plain", "plain", "an ordinary line"),
            (b"a\x1b[31mred\x1b[0m b", "ared b", "colours, where none are wanted"),
            (b"a\x1b[2Jb\x1b[10;10Hc", "abc", "clear the screen, move the cursor"),
            (b"a\x1b[?1049hb\x1b[6n", "ab", "alternate screen, a question that types an answer"),
            (b"a\x1b]0;title\x07b", "ab", "the window's title"),
            (b"a\x1b]52;c;aGk=\x1b\\b", "ab", "the clipboard"),
            (b"a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "alink", "a link"),
            (b"a\x1bPq#0\x1b\\b", "ab", "a device control string"),
            (b"a\x1b]0;never ended", "a", "a sequence that is never ended"),
            (b"a\x1bcb\x1b(0c", "abc", "a reset, another character set"),
            (b"a\xc2\x9b2Jb", "a2Jb", "a C1 control, as UTF-8"),
            (b"bell\x07 back\x08 null\0", "bell back null", "other controls"),
            (b"caf\xe9 \xff", "caf\u{fffd} \u{fffd}", "invalid UTF-8"),
            ("a\u{202e}b\u{2066}c".as_bytes(), "abc", "reversed text"),
            ("naïve ✓ 演".as_bytes(), "naïve ✓ 演", "any language"),
        ];
        for (line, expected, what) in cases {
            assert_eq!(harmless(line, false), expected, "{what}");
        }
    }

    #[test]
    fn of_any_bytes_only_text_and_colours_reach_the_terminal() {
        bolero::check!(name = "escape").for_each(|line: &[u8]| {
            assert!(!harmless(line, false).chars().any(is_harmful));
            assert_harmless(&harmless(line, true));
        });
    }

    #[test]
    fn colours_may_stay_and_never_leak_into_the_next_line() {
        let cases: [(&[u8], &str); 4] = [
            (b"\x1b[1;31mred", "\u{1b}[1;31mred\u{1b}[0m"),
            (b"\x1b[38;5;9mx\x1b[m", "\u{1b}[38;5;9mx\u{1b}[0m\u{1b}[0m"),
            (b"\x1b[38:2:1:2:3mx", "\u{1b}[38:2:1:2:3mx\u{1b}[0m"),
            (b"\x1b[>4;2mx", "x"),
        ];
        for (line, expected) in cases {
            assert_eq!(harmless(line, true), expected);
        }
    }

    #[test]
    fn carriage_returns_and_tabs_look_as_they_would_on_a_terminal() {
        assert_eq!(harmless(b"10%\r50%\r100%\r", false), "100%");
        assert_eq!(harmless(b"dos line\r", false), "dos line");
        assert_eq!(harmless(b"a\tbc\t|", false), "a       bc      |");
    }
}
