//! What `/proc` says about processes: parent, name, and which one of a cgroup is *the* command.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::error::Error;

/// What the agent wants to know of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its parent's id.
    pub parent: u32,
    /// Its name, as `ps -o comm` shows it.
    pub name: String,
}

/// Reads one process; `None` if it is gone.
pub fn read(pid: u32) -> Option<Process> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads several, leaving out those that are gone.
pub fn read_all(pids: &[u32]) -> BTreeMap<u32, Process> {
    pids.iter().filter_map(|&pid| Some((pid, read(pid)?))).collect()
}

/// Finds a process that has one of these names.
///
/// # Errors
/// [`Error::File`] if the processes can't be listed.
pub fn named(names: &[String]) -> Result<Option<(u32, String)>, Error> {
    let folder = Path::new("/proc");
    if names.is_empty() {
        return Ok(None);
    }
    for entry in fs::read_dir(folder).map_err(Error::file("list", folder))? {
        let entry = entry.map_err(Error::file("list", folder))?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Not `stat`, for which the kernel adds up what a process has used: with a hundred of them that
        // is a tenth of a start. One that has gone since has no name.
        let Ok(name) = fs::read_to_string(entry.path().join("comm")) else { continue };
        let name = name.trim_end_matches('\n');
        if names.iter().any(|wanted| wanted == name) {
            return Ok(Some((pid, name.to_owned())));
        }
    }
    Ok(None)
}

/// Returns the process that does the work: from `first` down as long as each has one child.
///
/// A shell that did not `exec` its last command stands above the command; several children (a
/// pipeline) make their shell the best answer. A daemon's `first` is gone: then it is the only
/// process whose parent is outside.
pub fn worker(first: u32, processes: &BTreeMap<u32, Process>) -> Option<u32> {
    let mut worker = if processes.contains_key(&first) {
        first
    } else {
        let mut tops =
            processes.iter().filter(|(_, process)| !processes.contains_key(&process.parent));
        *tops.next()?.0
    };
    // Processes are read one after the other, so an id may have been given anew: no family is deeper than
    // it has members.
    for _ in processes {
        let mut children = processes.iter().filter(|(_, process)| process.parent == worker);
        match (children.next(), children.next()) {
            (Some((&child, _)), None) => worker = child,
            (Some(_) | None, _) => return Some(worker),
        }
    }
    Some(worker)
}

/// Returns the processes that have no child among these: not the shells above them.
pub fn leaves(processes: &BTreeMap<u32, Process>) -> impl Iterator<Item = (u32, &Process)> {
    let is_parent = |pid: u32| processes.values().any(|process| process.parent == pid);
    processes.iter().map(|(&pid, process)| (pid, process)).filter(move |(pid, _)| !is_parent(*pid))
}

/// Says whether a process is `ancestor` or a descendant of it.
pub fn is_within(pid: u32, ancestor: u32, processes: &BTreeMap<u32, Process>) -> bool {
    let mut current = pid;
    // As above: the way up is no longer than there are processes.
    for _ in 0..=processes.len() {
        if current == ancestor {
            return true;
        }
        match processes.get(&current) {
            Some(process) => current = process.parent,
            None => return false,
        }
    }
    false
}

/// Parses `/proc/PID/stat`: the name stands in parentheses and may hold any character.
pub(crate) fn parse_stat(stat: &str) -> Option<Process> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let parent = after.split_whitespace().nth(1)?.parse().ok()?;
    Some(Process { parent, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(members: &[(u32, u32)]) -> BTreeMap<u32, Process> {
        let process = |parent| Process { parent, name: "x".to_owned() };
        members.iter().map(|&(pid, parent)| (pid, process(parent))).collect()
    }

    #[test]
    fn a_name_with_parentheses_is_read_whole() {
        let process = parse_stat("12 (a) b (c)) S 7 12 12 0").unwrap();
        assert_eq!(process, Process { parent: 7, name: "a) b (c)".to_owned() });
    }

    #[test]
    fn a_family_that_goes_round_in_a_circle_is_no_reason_to_do_so() {
        let circle = family(&[(5, 6), (6, 5)]);
        assert!(is_within(5, 6, &circle));
        assert!(!is_within(5, 1, &circle));
    }

    #[test]
    fn the_worker_is_below_its_shell_but_not_one_of_a_pipeline() {
        for (first, members, expected) in [
            (5, vec![(5, 1)], Some(5)),
            (5, vec![(5, 1), (6, 5)], Some(6)),
            (5, vec![(5, 1), (6, 5), (7, 5)], Some(5)),
            (5, vec![(9, 1)], Some(9)),
            (5, vec![], None),
            // Ids that were given anew while they were read.
            (5, vec![(5, 6), (6, 5)], Some(5)),
        ] {
            assert_eq!(worker(first, &family(&members)), expected, "{members:?}");
        }
    }
}
