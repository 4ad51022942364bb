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
