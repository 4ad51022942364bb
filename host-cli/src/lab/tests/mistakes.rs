//! Every mistake that a lab file can have, with its exact words.
//!
//! The cases lie in `mistakes/`, by subject: after `%%%% whole`, `%%%% page` or `%%%% step` the
//! text, after `%%%% mistakes` what is said of it. The word is the frame around the text.

use crate::lab::{Source, parse};

/// Title and `toml lab` fence: the case itself begins on line 9.
const PAGE: &str = "# T\n\n```toml lab\nid = \"t\"\nsummary = \"S\"\n\
                    namespaces = [\"red\", \"blue\"]\n```\n\n";

/// The beginning of a step as well: the case itself begins on line 13.
const STEP: &str = "## S\n\nWhy.\n\n";

macro_rules! subjects {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                judge(include_str!(concat!("mistakes/", stringify!($name), ".txt")));
            }
        )*
    };
}

subjects! {
    page header steps words commands namespaces values claims probes controls counterfactuals carets
}

fn judge(cases: &str) {
    let mut count = 0;
    for case in cases.split("%%%% ").skip(1).collect::<Vec<_>>().chunks(2) {
        let [asked, said] = case else { panic!("a case is a text and its mistakes: {case:?}") };
        let (frame, text) = asked.split_once('\n').unwrap();
        let text = match frame {
            "whole" => text.to_owned(),
            "page" => format!("{PAGE}{text}"),
            "step" => format!("{PAGE}{STEP}{text}"),
            other => panic!("no frame `{other}`"),
        };
        let expected = said.strip_prefix("mistakes\n").unwrap().trim_end_matches('\n');
        let mistakes = parse(&Source { name: "x.md".to_owned(), text }).unwrap_err().to_string();
        let (_, rendered) = mistakes.split_once("\n\n").unwrap();
        assert_eq!(rendered, expected, "{asked}");
        count += 1;
    }
    assert!(count > 0);
}
