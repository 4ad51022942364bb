//! A command as it is shown: behind its prompt, and still the same command when it is copied.
//! A long one is broken with a backslash, where a shell ignores that.

use netlab_protocol::Place;
use unicode_width::UnicodeWidthStr as _;

use super::escape::harmless;
use super::page::Page;

/// Further lines of a command are this far to the right of its first.
const HANG: &str = "  ";

/// What the shell joins to one line.
const CONTINUED: &str = " \\";

/// Lays out a command; `background` is its name if it goes on beside the lab.
pub(super) fn lines(
    page: &Page,
    place: &Place,
    text: &str,
    background: Option<&str>,
) -> Vec<String> {
    let (prompt, width) = page.prompt(place, '#');
    let mut text = text.to_owned();
    if background.is_some() {
        text.push_str(" &");
    }
    let pieces = broken(&text, page.columns.saturating_sub(width));
    let mut lines = Vec::new();
    let mut used = 0;
    for piece in pieces {
        let lead = if lines.is_empty() { prompt.clone() } else { " ".repeat(width) };
        used = width + piece.width();
        lines.push(lead + &page.palette.strong(&piece));
    }
    if let Some(name) = background
        && let Some(last) = lines.pop()
    {
        let name = harmless(name.as_bytes(), false);
        lines.extend(page.at_right(last, used, &format!("running as \"{name}\"")));
    }
    lines
}

/// Breaks a command into lines of at most `width` columns where it can be broken; a quoted string
/// or a word that is longer stays whole, since a copy of its parts would be another command.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words(text) {
        let needed = line.width() + word.trim_end().width() + CONTINUED.len();
        if needed > width && line.trim() != "" && !line.ends_with('\n') {
            lines.push(format!("{}{CONTINUED}", line.trim_end()));
            line = HANG.to_owned();
        }
        line.push_str(word);
        while let Some((head, tail)) = line.split_once('\n') {
            lines.push(head.to_owned());
            line = tail.to_owned();
        }
    }
    // The last word was measured with a backslash that it doesn't need: at worst one line more.
    lines.push(line.trim_end().to_owned());
    lines.iter().map(|line| harmless(line.as_bytes(), false)).collect()
}

/// Splits a command behind each blank that a shell would take for one, the blanks kept.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut quote = None;
    let mut escaped = false;
    let mut previous = ' ';
    for (at, character) in text.char_indices() {
        match (quote, character) {
            _ if escaped => escaped = false,
            (None | Some('"'), '\\') => escaped = true,
            // A backslash continues no comment.
            (None, '#') if previous == ' ' => break,
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, ' ') => {
                words.push(&text[start..=at]);
                start = at + 1;
            }
            _ => {}
        }
        previous = character;
    }
    words.push(&text[start..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_is_broken_only_where_a_shell_does_not_mind() {
        let cases: [(&str, &[&str]); 6] = [
            ("ip link set lo up", &["ip link set lo up"]),
            (
                "ovs-vsctl add-port ovs1 tap-r tag=100 -- set interface tap-r type=internal",
                &[
                    "ovs-vsctl add-port ovs1 \\",
                    "  tap-r tag=100 -- set \\",
                    "  interface tap-r \\",
                    "  type=internal",
                ],
            ),
            (
                "sh -c 'a quoted string is never broken' end",
                &["sh -c \\", "  'a quoted string is never broken' \\", "  end"],
            ),
            (
                "echo \"it's\" 'a \"b' one\\ word two three",
                &["echo \"it's\" 'a \"b' \\", "  one\\ word two three"],
            ),
            ("ip -n red addr \\\n  add 1.2.3.4/24", &["ip -n red addr \\", "  add 1.2.3.4/24"]),
            (
                "true # a comment that goes on and on",
                &["true \\", "  # a comment that goes on and on"],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(broken(text, 26), expected);
        }
    }
}
