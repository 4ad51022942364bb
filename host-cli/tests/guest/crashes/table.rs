//! What came of each crash, as a table at the end of the run.

use std::sync::{Mutex, PoisonError};

use netlab_fault::Phase;

use super::Crash;
use super::point::Victim;

/// What came of the crashes, in the order in which they were tried.
static ROWS: Mutex<Vec<(Crash, String)>> = Mutex::new(Vec::new());

/// Notes down what came of one.
pub(super) fn note(crash: Crash, result: String) {
    ROWS.lock().unwrap_or_else(PoisonError::into_inner).push((crash, result));
}

/// Prints the table, unless no crash was tried.
#[expect(clippy::disallowed_macros, reason = "the table is for whoever runs the suite")]
pub fn print() {
    let rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    if rows.is_empty() {
        return;
    }
    println!("{:23}{:29}{:9}{:9}connection", "kill -9 of", "netlab", "QEMU", "agent");
    let in_back = |in_back| Phase::all().map(move |phase| (phase, in_back));
    for (phase, in_back) in in_back(false).chain(in_back(true)) {
        let cell = |victim| {
            let row = rows.iter().find(|(it, _)| *it == Crash { phase, victim, in_back });
            row.map(|(_, result)| result.as_str())
        };
        let cells = Victim::ALL.map(cell);
        if in_back && cells == [None; 4] {
            continue;
        }
        let [netlab, qemu, agent, connection] = cells.map(|cell| cell.unwrap_or("-"));
        let name = if in_back { format!("back: {phase}") } else { phase.to_string() };
        println!("{name:23}{netlab:29}{qemu:9}{agent:9}{connection}");
    }
    println!(
        "Each cell: what the next command said it had repaired, and it said nothing else of that kind, or how \
         the\ncommand itself ended. After each of them the next command did its work, and `down` left no \
         process, port\nor file, nor did all of them together leave any in the cache."
    );
    println!();
}
