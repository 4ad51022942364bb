//! What programs, the kernel's files and the switch say in a machine that is a lab's: whatever it is, it is
//! read to something or to nothing.

use std::collections::BTreeMap;

use crate::causes::{Kernel, kernel_line};
use crate::cgroup::find_mount;
use crate::ledger::{Ledger, Machine};
use crate::needs::is_listed;
use crate::outside::{is_default, leaks};
use crate::process::{Process, is_within, parse_stat, worker};
use crate::switch::read_bridges;

#[test]
fn whatever_a_machine_says_of_itself_is_read_or_not() {
    bolero::check!(name = "machine").for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        if let Some(Process { name, .. }) = parse_stat(first) {
            assert!(first.contains(&name));
        }
        let _default = text.lines().any(is_default);
        assert!(!leaks("", &text) && !leaks(&text, "10.0.0.0/24 dev x"));
        let mut kernel = Kernel::on(Machine::Lent);
        for words in text.split('\0').filter_map(kernel_line).filter_map(|it| kernel.cause(it)) {
            assert!(!format!("{words:?}").contains('\n'));
        }
        assert!(find_mount(&text).is_none_or(|place| text.contains(place)));
        assert!(!is_listed(rest, "no/such"));
        if let Ok(answer) = serde_json::from_slice(bytes) {
            let bridges = read_bridges(&answer).unwrap_or_default();
            assert!(bridges.is_sorted_by_key(|bridge| bridge.name.clone()));
        }
        if let Ok(ledger) = Ledger::parse(bytes) {
            let told = serde_json::to_vec(&ledger).unwrap();
            assert_eq!(Ledger::parse(&told).unwrap(), ledger);
        }
        family(bytes);
    });
}

/// Families of processes, also such as no kernel has.
fn family(bytes: &[u8]) {
    let pairs = bytes.chunks_exact(2).map(|pair| (u32::from(pair[0]), u32::from(pair[1])));
    let process = |parent| Process { parent, name: String::new() };
    let processes: BTreeMap<_, _> = pairs.map(|(pid, parent)| (pid, process(parent))).collect();
    for &first in processes.keys().take(4) {
        assert!(worker(first, &processes).is_some_and(|pid| is_within(pid, first, &processes)));
    }
}
