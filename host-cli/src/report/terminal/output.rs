//! A command's output: bytes come in pieces, lines go out as soon as they are whole. Of a long
//! output the beginning and the end are shown; what is between is counted.

use std::collections::VecDeque;
use std::mem;

use netlab_protocol::{Place, Stream};

use super::escape::harmless;

/// Lines of one command that are shown before it is clear that there will be too many.
const FIRST_LINES: usize = 32;

/// Lines that are shown after the gap: where `ping` has its sum and a failed command its reason.
const LAST_LINES: usize = 8;

/// Bytes after which a line without an end is shown as one, so that memory stays small.
const MAX_LINE_BYTES: usize = 8 * 1024;

/// What one command has printed and is yet to be shown.
#[derive(Debug)]
pub(super) struct Output {
    /// Where the command runs.
    pub(super) place: Place,
    /// Its name, if it runs in the background.
    pub(super) background: Option<String>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    shown: usize,
    held: VecDeque<String>,
    left_out: u64,
    colour: bool,
}

/// What is left to show when a command has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// Lines that are not shown, before those that are.
    pub(super) left_out: u64,
    /// The last lines.
    pub(super) lines: Vec<String>,
}

impl Output {
    /// Nothing yet. `colour` lets the program's own colours pass.
    pub(super) fn new(place: Place, background: Option<String>, colour: bool) -> Self {
        let (stdout, stderr, held) = Default::default();
        Self { place, background, stdout, stderr, shown: 0, held, left_out: 0, colour }
    }

    /// Takes a piece and returns the lines to show now.
    pub(super) fn push(&mut self, stream: Stream, mut bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let buffer = self.buffer(stream);
            buffer.extend_from_slice(&bytes[..end]);
            let line = mem::take(buffer);
            lines.extend(self.line(&line));
            bytes = &bytes[end + 1..];
        }
        let buffer = self.buffer(stream);
        buffer.extend_from_slice(bytes);
        if buffer.len() > MAX_LINE_BYTES {
            let line = mem::take(buffer);
            lines.extend(self.line(&line));
        }
        lines
    }

    /// Ends the output: what has no line end yet is a line too.
    pub(super) fn end(mut self) -> Rest {
        let mut lines = Vec::new();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let line = mem::take(self.buffer(stream));
            if !line.is_empty() {
                lines.extend(self.line(&line));
            }
        }
        lines.extend(self.held);
        Rest { left_out: self.left_out, lines }
    }

    fn buffer(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn line(&mut self, line: &[u8]) -> Option<String> {
        let line = harmless(line, self.colour);
        if self.shown < FIRST_LINES {
            self.shown += 1;
            return Some(line);
        }
        self.held.push_back(line);
        if self.held.len() > LAST_LINES {
            self.held.pop_front();
            self.left_out += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> Output {
        Output::new(Place::Root, None, false)
    }

    #[test]
    fn a_line_is_shown_when_it_is_whole_or_the_command_ends() {
        let mut output = output();
        assert_eq!(output.push(Stream::Stdout, b"hel"), Vec::<String>::new());
        assert_eq!(output.push(Stream::Stderr, b"oops"), Vec::<String>::new());
        assert_eq!(output.push(Stream::Stdout, b"lo\n\nwor"), ["hello", ""]);
        let rest = Rest { left_out: 0, lines: vec!["wor".into(), "oops".into()] };
        assert_eq!(output.end(), rest);
    }

    #[test]
    fn characters_cut_by_a_piece_are_put_together_again() {
        let mut output = output();
        let bytes = "✓\n".as_bytes();
        assert_eq!(output.push(Stream::Stdout, &bytes[..1]), Vec::<String>::new());
        assert_eq!(output.push(Stream::Stdout, &bytes[1..]), ["✓"]);
    }

    #[test]
    fn of_a_long_output_the_beginning_and_the_end_are_shown() {
        let mut output = output();
        let text: String = (1..=352).map(|number| format!("line {number}\n")).collect();
        let shown = output.push(Stream::Stdout, text.as_bytes());
        assert_eq!((shown.len(), shown[31].as_str()), (32, "line 32"));
        let rest = output.end();
        assert_eq!((rest.left_out, rest.lines.len()), (312, 8));
        assert_eq!((rest.lines[0].as_str(), rest.lines[7].as_str()), ("line 345", "line 352"));
    }

    #[test]
    fn up_to_forty_lines_nothing_is_left_out() {
        let mut output = output();
        let shown = output.push(Stream::Stdout, "x\n".repeat(40).as_bytes());
        let rest = output.end();
        assert_eq!((shown.len(), rest.left_out, rest.lines.len()), (32, 0, 8));
    }

    #[test]
    fn a_line_that_never_ends_does_not_fill_the_memory() {
        let mut output = output();
        for _ in 0..9 {
            output.push(Stream::Stdout, &[b'x'; 1000]);
        }
        assert_eq!(output.stdout.len(), 0);
    }
}
