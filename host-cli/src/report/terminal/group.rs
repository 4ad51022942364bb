//! A group of guests: how far it has come, and the table of what came of it.

use std::time::Duration;

use super::units;
use crate::provider::Tier;
use crate::report::{Member, MemberState, table};

/// `12 of 40 up, 2 starting`, and how many failed if any did.
pub(super) fn progress(up: usize, starting: usize, failed: usize, total: usize) -> String {
    let mut line = format!("{up} of {total} up");
    for (count, word) in [(starting, "starting"), (failed, "failed")] {
        if count > 0 {
            line.push_str(&format!(", {count} {word}"));
        }
    }
    line
}

/// The line above the table.
pub(super) fn ended(members: &[Member], took: Duration) -> String {
    let count = |wanted| members.iter().filter(|member| member.state == wanted).count();
    let up = count(MemberState::Up) + count(MemberState::WasUp);
    let line = progress(up, 0, count(MemberState::Failed), members.len());
    format!("{line} in {}", units::time(took))
}

/// A line for each guest.
pub(super) fn table(members: &[Member]) -> Vec<String> {
    let dash = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
    let cells = |member: &Member| {
        vec![
            member.name.clone(),
            member.state.name().to_owned(),
            dash(member.address.clone()),
            dash(member.tier.map(Tier::name).map(str::to_owned)),
            dash(member.took.map(units::time)),
        ]
    };
    let rows: Vec<_> = members.iter().map(cells).collect();
    let table = table::columns(&["NAME", "STATE", "SSH", "START", "TOOK"], &rows);
    table.lines().map(str::to_owned).collect()
}
