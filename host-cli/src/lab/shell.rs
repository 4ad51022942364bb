//! A shell command, read just closely enough to find the lab's values and namespaces in it.
//!
//! It is no shell: it knows quotes, comments and assignments, so that `awk '{print $NF}'` and
//! `for IF in …` are left alone. What it misses, the guest's shell says when the lab runs.

use std::ops::Range;

use super::name;

/// What a command uses.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// `$NAME`s in capitals that the command neither assigns nor gives a default, with the byte
    /// range of each.
    pub values: Vec<(String, Range<usize>)>,
    /// Namespaces that it makes or enters by name with `ip`.
    pub namespaces: Vec<(String, Range<usize>)>,
    /// Byte offset of a quote that is never closed.
    pub open_quote: Option<usize>,
}

/// Reads one command.
pub fn scan(command: &str) -> Scan {
    let mut scanner = Scanner { command, ..Scanner::default() };
    scanner.run();
    let assigned = assigned(&scanner.words);
    let mut values = scanner.values;
    values.retain(|(value, _)| !assigned.contains(value) && !name::is_shells_own(value));
    Scan { values, namespaces: namespaces(&scanner.words), open_quote: scanner.quote.map(|q| q.1) }
}

#[derive(Default)]
struct Scanner<'a> {
    command: &'a str,
    values: Vec<(String, Range<usize>)>,
    /// Words outside of quotes, and `;`, `|`, `&` as words of their own.
    words: Vec<(&'a str, Range<usize>)>,
    word: Option<usize>,
    /// The open quote and where it began.
    quote: Option<(u8, usize)>,
}

impl Scanner<'_> {
    fn run(&mut self) {
        let bytes = self.command.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            let single = matches!(self.quote, Some((b'\'', _)));
            match byte {
                b'\\' if !single => {
                    self.word.get_or_insert(at);
                    at += 1;
                }
                b'\'' | b'"' => match self.quote {
                    Some((open, _)) if open == byte => self.quote = None,
                    Some(_) => {}
                    None => {
                        self.word.get_or_insert(at);
                        self.quote = Some((byte, at));
                    }
                },
                b'$' if !single => {
                    self.word.get_or_insert(at);
                    self.dollar(at);
                }
                _ if self.quote.is_some() => {}
                b'#' if self.word.is_none() => break,
                b' ' | b'\t' | b'\n' => self.end_word(at),
                b';' | b'|' | b'&' | b'(' | b')' => {
                    self.end_word(at);
                    self.words.push((&self.command[at..=at], at..at + 1));
                }
                _ => {
                    self.word.get_or_insert(at);
                }
            }
            at += 1;
        }
        self.end_word(at.min(bytes.len()));
    }

    fn end_word(&mut self, end: usize) {
        if let Some(start) = self.word.take() {
            self.words.push((&self.command[start..end], start..end));
        }
    }

    /// Takes `$NAME` or `${NAME}` at a dollar sign; one with a default asks nothing of the lab.
    fn dollar(&mut self, at: usize) {
        let rest = &self.command[at + 1..];
        let braced = rest.strip_prefix('{');
        let text = braced.unwrap_or(rest);
        let name: String =
            text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let after = &text[name.len()..];
        let default = braced.is_some()
            && [":-", "-", ":=", "=", ":+", "+"].iter().any(|sign| after.starts_with(sign));
        if name::is_value(&name) && !default {
            let end = at + 1 + if braced.is_some() { name.len() + 2 } else { name.len() };
            self.values.push((name, at..end.min(self.command.len())));
        }
    }
}

/// Names that the command gives a value itself: `NAME=…`, `for NAME in`, `read NAME`.
fn assigned(words: &[(&str, Range<usize>)]) -> Vec<String> {
    let mut names = Vec::new();
    let mut reading = false;
    for (index, (word, _)) in words.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| words[index].0);
        if matches!(*word, ";" | "|" | "&" | "(" | ")") {
            reading = false;
        } else if let Some((name, _)) = word.split_once('=') {
            names.push(name.to_owned());
        } else if reading || before == Some("for") {
            names.push((*word).to_owned());
        }
        reading |= *word == "read";
    }
    names
}

/// Names after `netns add`, `netns exec` and the like, and after `ip -n`.
fn namespaces(words: &[(&str, Range<usize>)]) -> Vec<(String, Range<usize>)> {
    let mut names = Vec::new();
    for (index, (word, range)) in words.iter().enumerate() {
        let before = |back: usize| index.checked_sub(back).map(|index| words[index].0);
        let by_verb = before(2) == Some("netns")
            && matches!(before(1), Some("add" | "exec" | "delete" | "del" | "pids"));
        let by_option = before(2) == Some("ip") && matches!(before(1), Some("-n" | "-netns"));
        if (by_verb || by_option) && name::is_namespace(word) {
            names.push(((*word).to_owned(), range.clone()));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_lab_are_found_and_those_of_the_shell_are_not() {
        let cases: [(&str, &[&str]); 16] = [
            ("ping -c 1 $RED_IP", &["RED_IP"]),
            ("echo \"$A and ${B}\"", &["A", "B"]),
            ("echo '$A'", &[]),
            ("echo \\$A", &[]),
            ("awk '{print $NF}' file", &[]),
            ("echo $HOME $PATH $$ $? $1 $x $Ab", &[]),
            ("A=1; echo $A", &[]),
            ("A=$B; echo $A", &["B"]),
            ("for N in red blue; do ip -n $N link; done", &[]),
            ("cat f | while read -r A B; do echo $A $B; done", &[]),
            ("echo ${A:-1} ${B-1} ${C:=1}", &[]),
            ("echo ${A%.*} ${A:?}", &["A", "A"]),
            ("echo x # it's $A", &[]),
            ("echo x#$A", &["A"]),
            ("ip link \\\n  show $A", &["A"]),
            ("[ \"$(cat /proc/$SERVER_PID/comm)\" = nc ]", &["SERVER_PID"]),
        ];
        for (command, names) in cases {
            let scan = scan(command);
            let found: Vec<_> = scan.values.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(found, names, "{command}");
            assert_eq!(scan.open_quote, None, "{command}");
            for (name, range) in scan.values {
                assert!(command[range].contains(&name), "{command}");
            }
        }
    }

    #[test]
    fn namespaces_are_found_by_the_words_before_them() {
        let cases: [(&str, &[&str]); 6] = [
            ("ip netns add red", &["red"]),
            ("ip netns add red && ip -n red link", &["red", "red"]),
            ("ip netns exec dhcp-r sh -c true; ip netns del blue", &["dhcp-r", "blue"]),
            ("ip netns list", &[]),
            ("ip netns identify $SERVER_PID", &[]),
            ("ip netns add $N", &[]),
        ];
        for (command, names) in cases {
            let found = scan(command).namespaces;
            let found: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(found, names, "{command}");
        }
    }

    #[test]
    fn a_quote_left_open_is_found_where_it_opens() {
        assert_eq!(scan("echo 'a b").open_quote, Some(5));
        assert_eq!(scan("echo \"it's\" 'b").open_quote, Some(12));
        assert_eq!(scan("echo it\\'s").open_quote, None);
    }
}
