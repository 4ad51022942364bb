//! Whole runs as golden lines: what a program reads.

use netlab_protocol::{Event as GuestEvent, Exit};

use super::*;
use crate::report::sample::{self, Written};

fn lines(events: &[Event]) -> Vec<String> {
    let written = Written::default();
    let mut renderer = JsonRenderer::new(Box::new(written.clone()));
    for event in events {
        renderer.event(event).unwrap();
    }
    written.text().lines().map(str::to_owned).collect()
}

#[test]
fn look() {
    println!(
        "{}",
        lines(&[sample::start(), sample::passing()].concat()).join("\n")
    );
    println!("{}", lines(&sample::failing_setup()).join("\n"));
}
