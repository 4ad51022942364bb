//! From a small page to its plan, whole.

use crate::lab::{Source, parse};

#[test]
fn a_page_becomes_its_plan() {
    let text = include_str!("small.md").to_owned();
    let lab = parse(&Source { name: "small.md".to_owned(), text })
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!((lab.title.as_str(), lab.minutes, lab.shown_steps()), ("A small lab", 2, 0));
    let plan = serde_json::to_string_pretty(&lab.plan()).unwrap();
    assert_eq!(plan, include_str!("small.json").trim_end());
}

#[test]
fn windows_line_ends_make_the_same_plan() {
    let text = include_str!("small.md").to_owned();
    let windows = text.replace('\n', "\r\n");
    let unix = parse(&Source { name: "small.md".to_owned(), text }).unwrap().plan();
    let windows = parse(&Source { name: "small.md".to_owned(), text: windows }).unwrap().plan();
    assert_eq!(windows, unix);
}

#[test]
fn a_plan_that_is_no_message_is_a_mistake() {
    // Each quotation mark takes two bytes in the plan.
    let quotes = "\"".repeat(600_000);
    let text = include_str!("small.md").replacen("ip link", &format!(": {quotes}\nip link"), 1);
    let mistakes = parse(&Source { name: "small.md".to_owned(), text }).unwrap_err().to_string();
    let (told, cure) = mistakes.split_once(" and ").unwrap();
    assert!(told.contains("small.md:1:1: the lab's plan has 12"), "{told}");
    assert_eq!(
        cure,
        "1048576 are the limit\n  1 | # A small lab\n    | ^^^^^^^^^^^^^\n    \
         = shorten its commands, or make two labs of it"
    );
}
