//! Whole runs as golden text: what a learner sees.

use super::*;
use crate::report::sample::{self, Written};

fn terminal(columns: usize) -> Terminal {
    let (input, output, redraw, colour, unicode) = (false, false, false, false, true);
    Terminal {
        input,
        output,
        redraw,
        columns,
        colour,
        unicode,
    }
}

/// Renders events and returns standard output and standard error.
fn rendered(terminal: Terminal, events: &[Event]) -> [String; 2] {
    let (stdout, stderr) = (Written::default(), Written::default());
    let mut renderer =
        TerminalRenderer::new(terminal, Box::new(stdout.clone()), Box::new(stderr.clone()));
    for event in events {
        renderer.event(event).unwrap();
    }
    [stdout.text(), stderr.text()]
}

#[track_caller]
fn assert_text(actual: &str, expected: &str) {
    assert_eq!(actual, expected, "\n{actual}");
}

#[test]
fn look_at_it() {
    for (name, events) in [
        ("pass", sample::passing()),
        ("fail", sample::failing()),
        ("setup", sample::failing_setup()),
    ] {
        let [out, err] = rendered(terminal(80), &[sample::start(), events].concat());
        println!("=== {name}\n{out}--- err\n{err}");
    }
}
