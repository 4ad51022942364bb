//! Faults, what netlab said of each, and how long its reset took, as a table at the end of the run.

use std::sync::{Mutex, PoisonError};

/// What became of one fault.
struct Row {
    fault: &'static str,
    said: &'static str,
    exit: Option<i32>,
    /// How long the reset took, in milliseconds.
    reset: Option<u64>,
}

static ROWS: Mutex<Vec<Row>> = Mutex::new(Vec::new());

/// Notes down that a fault is about to happen.
pub fn begin(fault: &'static str) {
    let row = Row { fault, said: "FAILED", exit: None, reset: None };
    ROWS.lock().unwrap_or_else(PoisonError::into_inner).push(row);
}

/// Notes down what netlab said.
pub fn said(fault: &str, said: &'static str, exit: i32) {
    change(fault, |row| (row.said, row.exit) = (said, Some(exit)));
}

/// Notes down that the guest was swapped for a sound one.
pub fn was_reset(fault: &str, millis: u64) {
    change(fault, |row| row.reset = Some(millis));
}

fn change(fault: &str, with: impl FnOnce(&mut Row)) {
    let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    with(rows.iter_mut().rfind(|row| row.fault == fault).expect("a fault that has begun"));
}

/// Prints the table, unless the trials that were picked have no fault.
#[expect(clippy::disallowed_macros, reason = "the table is for whoever runs the suite")]
pub fn print() {
    let rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    if rows.is_empty() {
        return;
    }
    println!("{:26} {:>4} {:>8}  what netlab says", "fault", "exit", "reset");
    for Row { fault, said, exit, reset } in rows.iter() {
        let exit = exit.map_or("-".to_owned(), |exit| exit.to_string());
        let reset = reset.map_or("FAILED".to_owned(), |millis| format!("{millis} ms"));
        println!("{fault:26} {exit:>4} {reset:>8}  {said}");
    }
    println!();
}
