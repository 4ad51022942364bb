//! The examples of `labs/README.md`, which is the reference: they must be what it says they are.

use crate::lab::probe_names::probe_names;
use crate::lab::{Source, parse};

const README: &str = include_str!("../../../../labs/README.md");

#[test]
fn every_whole_example_is_a_lab() {
    let mut count = 0;
    for example in README.split("\n````markdown\n").skip(1) {
        let (text, _) = example.split_once("\n````\n").unwrap();
        let source = Source { name: "labs/README.md".to_owned(), text: format!("{text}\n") };
        parse(&source).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn every_probe_has_an_example_that_is_one() {
    let (_, table) = README.split_once("\n| probe | succeeds if |\n|---|---|\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let examples: Vec<_> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    for example in &examples {
        let text = format!(
            "# T\n\n```toml lab\nid = \"t\"\nsummary = \"s\"\nnamespaces = [\"red\"]\n```\n\n\
             ## S\n\nWhy.\n\n```sh background=server ready=tcp:1\nnc -lk 1\n```\n\n\
             ```toml check\nclaim = \"c\"\n{example}\n```\n"
        );
        let source = Source { name: "labs/README.md".to_owned(), text };
        parse(&source).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    }
    for name in probe_names() {
        let begin = format!("{name} = ");
        assert!(examples.iter().any(|example| example.starts_with(&begin)), "no `{name}`");
    }
}
