//! What came of each crash, as a table at the end of the run.

use std::sync::{Mutex, PoisonError};

use netlab_fault::{Moment, Phase, Way};

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
    println!("{:21}{:29}{:9}{:9}connection", "kill -9 of", "netlab", "QEMU", "agent");
    for phase in phases() {
        let cell = |victim| {
            let row = rows.iter().find(|(crash, _)| *crash == Crash { phase, victim });
            row.map_or("-", |(_, result)| result)
        };
        let [netlab, qemu, agent, connection] = Victim::ALL.map(cell);
        println!("{:21}{netlab:29}{qemu:9}{agent:9}{connection}", phase.to_string());
    }
    println!(
        "Each cell: what the next command said it had repaired, or how the command itself ended. After \
         each of them\nthe next command did its work, and `down` left no process, port or file."
    );
    println!();
}

/// Every phase, in the order of the table.
pub fn phases() -> Vec<Phase> {
    let start = |way| Moment::ALL.map(move |moment| Phase::Start(way, moment));
    let mut phases = vec![Phase::UpLocked];
    phases.extend(Way::ALL.into_iter().flat_map(start));
    // A guest that is saved is never let go.
    phases.retain(|phase| *phase != Phase::Start(Way::Template, Moment::LetGo));
    phases.extend([
        Phase::TemplateSettled,
        Phase::TemplateSaved,
        Phase::TemplateDrafted,
        Phase::TemplatePlaced,
        Phase::DemoOpened,
        Phase::DemoStep,
        Phase::DemoClosing,
        Phase::CheckpointSaving,
        Phase::DownBegun,
        Phase::DownEnded,
        Phase::DownHalf,
        Phase::ImageDownloading,
        Phase::ImageDownloaded,
        Phase::ImageWriting,
        Phase::ImageWritten,
        Phase::ResetReady,
        Phase::ResetGone,
        Phase::ResetDone,
    ]);
    phases
}
