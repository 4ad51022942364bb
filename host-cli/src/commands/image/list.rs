//! `netlab image list`

use std::time::SystemTime;

use serde::Serialize;

use crate::commands::checkpoint::age;
use crate::context::Context;
use crate::error::Error;
use crate::report::{print, size};
use crate::stock::{self, Item, Kind, State};

/// One thing in stock, as `--json` shows it.
#[derive(Serialize)]
pub(super) struct Row {
    kind: Kind,
    name: String,
    about: String,
    bytes: u64,
    /// Seconds since 1970-01-01 00:00 UTC.
    used: Option<u64>,
    state: State,
}

impl From<Item> for Row {
    fn from(item: Item) -> Self {
        let Item { kind, name, about, bytes, used, state } = item;
        let used = used.and_then(since_1970);
        Self { kind, name, about, bytes, used, state }
    }
}

impl Row {
    /// The columns, at a time in seconds since 1970.
    fn cells(&self, now: u64) -> Vec<String> {
        // A time in the future is a matter of the clock.
        let used = self.used.map(|used| age(now.saturating_sub(used)));
        let used = used.unwrap_or_else(|| "-".to_owned());
        let (kind, state) = (kind(self.kind).to_owned(), state(self.state).to_owned());
        vec![kind, size(self.bytes), state, used, format!("{} {}", self.name, self.about)]
    }

    /// What it is, in a line.
    pub(super) fn words(&self) -> String {
        format!("{} {} ({})", kind(self.kind), self.name, size(self.bytes))
    }

    /// Bytes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Prints what takes the space.
///
/// # Errors
/// What can't be read.
pub(super) fn run(context: &Context) -> Result<(), Error> {
    let rows: Vec<Row> = stock::list(context)?.into_iter().map(Row::from).collect();
    if context.options.json {
        return Ok(print::json("stock", &rows)?);
    }
    if rows.is_empty() {
        return Ok(print::text("nothing yet; `netlab image build` makes the guest's image\n")?);
    }
    let now = since_1970(SystemTime::now()).unwrap_or_default();
    let cells: Vec<_> = rows.iter().map(|row| row.cells(now)).collect();
    print::table(&["KIND", "SIZE", "STATE", "USED", "NAME"], &cells)?;
    let all = rows.iter().map(Row::bytes).sum();
    Ok(print::text(&format!("{} in all; `netlab image prune` frees what is old\n", size(all)))?)
}

fn since_1970(time: SystemTime) -> Option<u64> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|age| age.as_secs())
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Image => "image",
        Kind::Packages => "packages",
        Kind::Template => "template",
        Kind::Checkpoint => "checkpoint",
        Kind::Unfinished => "unfinished",
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::InUse => "in use",
        State::Current => "current",
        State::Old => "old",
        State::Broken => "broken",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_it_is() {
        let item = Item {
            kind: Kind::Template,
            name: "k".to_owned(),
            about: "to be cloned by QEMU 7.2.22".to_owned(),
            bytes: 107_150_000,
            used: Some(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000)),
            state: State::InUse,
        };
        let row = Row::from(item);
        assert_eq!(
            row.cells(1_061),
            ["template", "107.2 MB", "in use", "1 min ago", "k to be cloned by QEMU 7.2.22"]
        );
        assert_eq!(row.words(), "template k (107.2 MB)");
    }
}
