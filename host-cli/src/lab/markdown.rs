//! Markdown, cut into the blocks that a lab is made of: headings, prose and fences.
//!
//! Every block knows its place in the file, and a fence's body can be mapped back to it byte by
//! byte, so that a mistake inside a TOML table gets a caret of its own.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use super::source::Span;

/// One block of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading at the top level.
    Heading {
        /// `#` is 1.
        level: u8,
        /// Its words; code keeps its backticks.
        text: String,
        /// Where it stands.
        span: Span,
    },
    /// A paragraph or an item of a list, on one line.
    Prose(String),
    /// A fenced block of code.
    Fence(Fence),
}

/// A fenced block of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The words after the opening backticks.
    pub info: String,
    /// Where these words begin.
    pub info_start: usize,
    /// The lines inside.
    pub body: String,
    /// From an offset in the body to the offset in the file, piece by piece, ascending.
    pieces: Vec<(usize, usize)>,
    /// The whole block, both fences included.
    pub span: Span,
    /// Whether it stands inside a list or a quotation.
    pub nested: bool,
    /// Whether a closing fence ends it, not the end of the file.
    pub closed: bool,
}

impl Fence {
    /// Where the words after the backticks stand; without any, the backticks.
    pub fn info_span(&self) -> Span {
        if self.info.is_empty() {
            return self.span.start..self.info_start;
        }
        self.info_start..self.info_start + self.info.len()
    }

    /// Maps a range of the body to the file.
    pub fn locate(&self, range: &Span) -> Span {
        let start = self.offset(range.start);
        start..self.offset(range.end).max(start)
    }

    fn offset(&self, offset: usize) -> usize {
        let index = self.pieces.partition_point(|(body, _)| *body <= offset);
        match index.checked_sub(1).and_then(|index| self.pieces.get(index)) {
            Some((body, file)) => file + (offset - body),
            None => self.info_start,
        }
    }
}

/// Cuts a page into blocks. Everything else on it (tables, HTML, indented code) is for readers.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut cutter = Cutter { text, ..Cutter::default() };
    for (event, span) in Parser::new(text).into_offset_iter() {
        cutter.take(event, span);
    }
    cutter.blocks
}

#[derive(Default)]
struct Cutter<'a> {
    text: &'a str,
    blocks: Vec<Block>,
    /// Lists and quotations that are open.
    depth: usize,
    words: String,
    heading: Option<(u8, Span)>,
    fence: Option<Fence>,
    /// Inside indented code or HTML, whose text is no prose.
    silent: bool,
}

impl Cutter<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => {
                self.flush();
                self.fence = Some(open_fence(self.text, span, self.depth > 0));
            }
            Event::End(TagEnd::CodeBlock) => {
                self.silent = false;
                self.blocks.extend(self.fence.take().map(Block::Fence));
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Indented) | Tag::HtmlBlock) => {
                self.flush();
                self.silent = true;
            }
            Event::End(TagEnd::HtmlBlock) => self.silent = false,
            Event::Start(Tag::Heading { level, .. }) => {
                self.flush();
                self.heading = (self.depth == 0).then_some((level as u8, span));
            }
            Event::End(TagEnd::Heading(_)) => match self.heading.take() {
                Some((level, span)) => {
                    let text = std::mem::take(&mut self.words).trim().to_owned();
                    let width = self.text[span.clone()].trim_end().len();
                    let span = span.start..span.start + width;
                    self.blocks.push(Block::Heading { level, text, span });
                }
                None => self.flush(),
            },
            Event::Start(Tag::List(_) | Tag::BlockQuote(_)) => {
                self.flush();
                self.depth += 1;
            }
            Event::End(TagEnd::List(_) | TagEnd::BlockQuote(_)) => {
                self.flush();
                self.depth -= 1;
            }
            Event::End(TagEnd::Paragraph | TagEnd::Item) => self.flush(),
            Event::Text(text) => match &mut self.fence {
                Some(fence) => {
                    fence.pieces.push((fence.body.len(), span.start));
                    fence.body.push_str(&text);
                }
                None if self.silent => {}
                None => self.words.push_str(&text),
            },
            Event::Code(code) => self.words.push_str(&format!("`{code}`")),
            Event::SoftBreak | Event::HardBreak => self.words.push(' '),
            _ => {}
        }
    }

    fn flush(&mut self) {
        let words = std::mem::take(&mut self.words);
        if !words.trim().is_empty() {
            self.blocks.push(Block::Prose(words.trim().to_owned()));
        }
    }
}

/// Reads the opening line of a fence from the file itself: the parser's own copy of it has
/// escapes resolved, and no place.
fn open_fence(text: &str, span: Span, nested: bool) -> Fence {
    let block = &text[span.clone()];
    let opening = block.lines().next().unwrap_or_default();
    let mark = opening.chars().next().unwrap_or('`');
    let words = opening.trim_start_matches(mark);
    let info_start = span.start + opening.len() - words.trim_start().len();
    let closing = block.lines().skip(1).last().unwrap_or_default();
    let closing = closing.trim_start_matches([' ', '\t', '>']).trim_end();
    Fence {
        info: words.trim().to_owned(),
        info_start,
        body: String::new(),
        pieces: Vec::new(),
        closed: closing.len() >= 3 && closing.chars().all(|character| character == mark),
        span,
        nested,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fences(text: &str) -> Vec<Fence> {
        let fence = |block| match block {
            Block::Fence(fence) => Some(fence),
            Block::Heading { .. } | Block::Prose(_) => None,
        };
        blocks(text).into_iter().filter_map(fence).collect()
    }

    #[test]
    fn a_page_is_headings_prose_and_fences() {
        let text = "# A *title* with `code`\n\nOne\ntwo `ip`.\n\n- item\n\n<!-- no -->\n\n    code\n\n\
                    ```sh ns=red\nip link\n```\n";
        let blocks = blocks(text);
        let heading =
            Block::Heading { level: 1, text: "A title with `code`".to_owned(), span: 0..23 };
        assert_eq!(blocks[0], heading);
        assert_eq!(blocks[1], Block::Prose("One two `ip`.".to_owned()));
        assert_eq!(blocks[2], Block::Prose("item".to_owned()));
        let [fence] = fences(text).try_into().unwrap();
        assert_eq!((fence.info.as_str(), fence.body.as_str()), ("sh ns=red", "ip link\n"));
        assert_eq!(&text[fence.info_span()], "sh ns=red");
        assert!(fence.closed && !fence.nested);
        assert_eq!(blocks.len(), 4);
    }

    #[test]
    fn every_byte_of_a_body_is_found_in_the_file() {
        for text in [
            "```toml check\nid = \"x\"\nnot = true\n```\n",
            "```toml check\r\nid = \"x\"\r\nnot = true\r\n```\r\n",
            "- list\n\n  ```toml check\n  id = \"x\"\n  not = true\n  ```\n",
            "> ~~~toml check\n> id = \"x\"\n> not = true\n> ~~~\n",
        ] {
            let [fence] = fences(text).try_into().unwrap();
            let at = fence.body.find("not").unwrap();
            assert_eq!(&text[fence.locate(&(at..at + 3))], "not", "{text:?}");
            assert!(fence.closed, "{text:?}");
        }
    }

    #[test]
    fn a_fence_that_runs_to_the_end_of_the_file_is_not_closed() {
        assert!(!fences("```sh\nip link\n")[0].closed);
        assert!(!fences("```sh\n")[0].closed);
        assert!(!fences("````sh\nip link\n```\n````x\n")[0].closed);
    }
}
