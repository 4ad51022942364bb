//! The agent's journal: what its sessions were asked and what failed, in a file of the guest's
//! memory, for `netlab logs agent`. It is a witness, not state: the agent never reads it, and goes
//! on where it can't be written.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use netlab_protocol::AGENT_JOURNAL;
use nix::time::{ClockId, clock_gettime};

/// Size at which it is begun anew, in bytes: some ten thousand lines. It lies in memory.
const LARGEST_BYTES: u64 = 1 << 20;

/// Adds a line.
pub fn note(text: &str) {
    // There is nobody to tell but the journal itself.
    drop(append(Path::new(AGENT_JOURNAL), text));
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    if file.metadata()?.len() > LARGEST_BYTES {
        file.set_len(0)?;
    }
    let uptime = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    let (seconds, thousandths) = (uptime.tv_sec(), uptime.tv_nsec() / 1_000_000);
    // One write, so that the lines of two sessions don't mix.
    let line = format!("[{seconds}.{thousandths:03}] {}: {text}\n", std::process::id());
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_and_a_journal_that_is_too_large_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("netlab/agent.log");
        append(&path, "one").unwrap();
        append(&path, "two").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let ends: Vec<_> = text.lines().filter_map(|line| line.rsplit(": ").next()).collect();
        assert_eq!(ends, ["one", "two"]);

        OpenOptions::new().write(true).open(&path).unwrap().set_len(LARGEST_BYTES + 1).unwrap();
        append(&path, "three").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with(": three\n") && text.lines().count() == 1, "{text}");
    }
}
