//! What is counted, and how it is printed.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::fault::Fault;
use crate::left::Left;
use crate::memory::Memory;
use crate::walk::{Durations, Kind, Walked};

/// All rounds so far.
#[derive(Default)]
pub struct Tally {
    /// How long each verb took when it last ended without a fault.
    pub durations: Durations,
    /// Ports of all guests.
    pub ports: HashSet<u16>,
    calls: BTreeMap<Kind, u32>,
    /// For each fault and verb how often it befell it, and how often there was nothing to befall.
    faults: BTreeMap<(Fault, Kind), (u32, u32)>,
    /// The least and the most of netlab's greatest memory, in KiB.
    peaks: BTreeMap<Kind, (u64, u64)>,
    memory: Vec<Memory>,
    rounds: u32,
    failures: u32,
    processes: usize,
    left_ports: usize,
    files: usize,
}

impl Tally {
    /// Counts a walk, and prints its failures.
    pub fn add(&mut self, walked: Walked) {
        let Walked { faults, failures, calls, peaks, ports } = walked;
        for (fault, kind, landed) in faults {
            let (befell, missed) = self.faults.entry((fault, kind)).or_default();
            *(if landed { befell } else { missed }) += 1;
        }
        for (kind, took) in calls {
            self.durations.insert(kind, took);
        }
        for (kind, peak) in peaks {
            *self.calls.entry(kind.clone()).or_default() += 1;
            let (least, most) = self.peaks.entry(kind).or_insert((peak, peak));
            (*least, *most) = ((*least).min(peak), (*most).max(peak));
        }
        self.ports.extend(ports);
        for failure in failures {
            self.failures += 1;
            line(&format!("FAILURE {failure}"));
        }
    }

    /// Counts what a round left.
    pub fn leaked(&mut self, left: &Left) {
        let Left { processes, ports, files } = left;
        self.processes += processes.len();
        self.left_ports += ports.len();
        self.files += files.len();
        for it in processes {
            line(&format!("LEFT process {it}"));
        }
        for it in ports {
            line(&format!("LEFT port {it}"));
        }
        for it in files {
            line(&format!("LEFT file {it}"));
        }
    }

    /// Notes down the memory at the end of a round.
    pub fn measured(&mut self, memory: Memory) {
        self.memory.push(memory);
    }

    /// Prints where it stands after a round.
    pub fn round(&mut self, number: u32, took: Duration, since_start: Duration) {
        self.rounds = number;
        let Some(Memory { netlab, agent, qemu_pss, guest, .. }) = self.memory.last() else {
            return;
        };
        line(&format!(
            "{:5} s  round {number} in {} s: {} calls, {} faults, {} failures, {} left so far; KiB: \
             netlab {netlab}, agent {agent}, QEMU {qemu_pss}, in the guest {guest}",
            since_start.as_secs(),
            took.as_secs(),
            self.calls.values().sum::<u32>(),
            self.befallen(|_| true),
            self.failures,
            self.processes + self.left_ports + self.files,
        ));
    }

    fn befallen(&self, counted: impl Fn(Fault) -> bool) -> u32 {
        let rows = self.faults.iter().filter(|((fault, _), _)| counted(*fault));
        rows.map(|(_, (befell, _))| befell).sum()
    }

    /// Whether all was as it should be.
    pub fn is_good(&self) -> bool {
        self.failures == 0 && self.processes + self.left_ports + self.files == 0
    }

    /// Prints all of it.
    pub fn end(&self, took: Duration) {
        line(&format!(
            "\n{} rounds in {} s: {} calls of netlab, {} faults, {} failures; left: {} \
             processes, {} ports, {} files\n",
            self.rounds,
            took.as_secs(),
            self.calls.values().sum::<u32>(),
            self.befallen(|_| true),
            self.failures,
            self.processes,
            self.left_ports,
            self.files
        ));
        self.print_faults();
        self.print_memory();
    }

    fn print_faults(&self) {
        line("| fault | befell | came too late | in |\n|---|---|---|---|");
        for fault in Fault::ALL {
            let rows: Vec<_> = self.faults.iter().filter(|((it, _), _)| *it == fault).collect();
            let missed: u32 = rows.iter().map(|(_, (_, missed))| missed).sum();
            let befell = |((_, kind), (befell, _)): &(&(Fault, Kind), &(u32, u32))| {
                (*befell > 0).then(|| format!("{kind} {befell}"))
            };
            let kinds: Vec<_> = rows.iter().filter_map(befell).collect();
            let count = self.befallen(|it| it == fault);
            line(&format!("| {} | {count} | {missed} | {} |", fault.words(), kinds.join(", ")));
        }
    }

    fn print_memory(&self) {
        line("\n| memory, KiB | first round | median | last round | most |\n|---|---|---|---|---|");
        type Figure = fn(&Memory) -> u64;
        let rows: [(&str, Figure); 6] = [
            ("netlab in demo 3, at most", |it| it.netlab),
            ("agent in demo 3, at most", |it| it.agent),
            ("QEMU, Rss", |it| it.qemu_rss),
            ("QEMU, Pss", |it| it.qemu_pss),
            ("in use in the guest", |it| it.guest),
            ("processes in the guest (a count)", |it| it.processes),
        ];
        for (what, figure) in rows {
            let all: Vec<_> = self.memory.iter().map(figure).collect();
            let mut sorted = all.clone();
            sorted.sort_unstable();
            if let (Some(first), Some(last), Some(most)) = (all.first(), all.last(), sorted.last())
            {
                let median = sorted[sorted.len() / 2];
                line(&format!("| {what} | {first} | {median} | {last} | {most} |"));
            }
        }
        line(
            "\n| verb | calls | netlab at most, KiB, of a call with the least to one with the most |\n|---|---|---|",
        );
        for (kind, (least, most)) in &self.peaks {
            line(&format!("| {kind} | {} | {least} – {most} |", self.calls[kind]));
        }
    }
}

/// Prints a line.
#[expect(clippy::disallowed_macros, reason = "figures are this program's output")]
pub fn line(text: &str) {
    println!("{text}");
}
