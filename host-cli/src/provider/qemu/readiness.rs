//! What a booting guest is waited for, one row each: condition, deadline, cure. The rule: a
//! deadline belongs to a step that has a name, so that no time-out is ever a bare one.

use std::time::Duration;

use netlab_protocol::boot;

use crate::platform::Accelerator;
use crate::report::Phase;

/// One thing to wait for.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// What ends the wait: this phase reached, as the guest's init reports it.
    pub awaited: boot::Phase,
    /// The phase of the start that the user sees meanwhile.
    pub shown: Phase,
    /// What should happen, in words that fit before "did not happen".
    pub waits_for: &'static str,
    /// How long it may take with an accelerator, counted from the row before. Measured times are
    /// below a second; the rest is for a laptop that is busy or reads the image from a slow disk.
    deadline: Duration,
    /// What the user does about it, if it isn't the accelerator's fault.
    pub cure: &'static str,
}

/// How much longer everything may take under TCG: measured at 4 to 8 times on a quiet machine.
const TCG_FACTOR: u32 = 6;

/// The rows, in the order in which a guest passes them.
pub static ROWS: [Row; 5] = [
    Row {
        awaited: boot::Phase::Kernel,
        shown: Phase::Kernel,
        waits_for: "the first sign of the guest's init",
        deadline: Duration::from_secs(15),
        cure: "`netlab image verify` tells whether the image is as it should be",
    },
    Row {
        awaited: boot::Phase::Root,
        shown: Phase::Init,
        waits_for: "mounting the root file system",
        deadline: Duration::from_secs(10),
        cure: "`netlab image verify` tells whether the image is as it should be",
    },
    Row {
        awaited: boot::Phase::Network,
        shown: Phase::Network,
        waits_for: "bringing up the guest's interface",
        deadline: Duration::from_secs(10),
        cure: "try another QEMU with `--qemu`; `netlab logs qemu` shows what this one said",
    },
    Row {
        awaited: boot::Phase::Secrets,
        shown: Phase::Network,
        waits_for: "taking in the guest's keys",
        deadline: Duration::from_secs(10),
        cure: "try again with `netlab down` and `netlab up`",
    },
    Row {
        awaited: boot::Phase::Ssh,
        shown: Phase::Ssh,
        waits_for: "the guest's SSH server to listen",
        deadline: Duration::from_secs(10),
        cure: "try again with `netlab down` and `netlab up`",
    },
];

/// The first row of a guest that goes on from a saved state.
pub static LOADED: Row = Row {
    awaited: boot::Phase::Kernel,
    shown: Phase::Resume,
    waits_for: "loading the saved guest",
    deadline: Duration::from_secs(2),
    cure: "boot it instead with `netlab up --start cold`",
};

/// The row after it.
pub static GREETED: Row = Row {
    awaited: boot::Phase::Secrets,
    shown: Phase::Network,
    waits_for: "the saved guest's answer",
    deadline: Duration::from_secs(2),
    cure: "boot it instead with `netlab up --start cold`",
};

impl Row {
    /// The row that ends with this phase.
    pub fn awaiting(phase: boot::Phase) -> &'static Self {
        match phase {
            boot::Phase::Kernel => &ROWS[0],
            boot::Phase::Root => &ROWS[1],
            boot::Phase::Network => &ROWS[2],
            boot::Phase::Secrets => &ROWS[3],
            boot::Phase::Ssh => &ROWS[4],
        }
    }

    /// How long it may take.
    pub fn deadline(&self, accelerator: Accelerator) -> Duration {
        match accelerator {
            Accelerator::Kvm | Accelerator::Hvf | Accelerator::Whpx => self.deadline,
            Accelerator::Tcg => self.deadline * TCG_FACTOR,
        }
    }
}

/// The row after the phase that the guest has just reached; `None` after the last.
pub fn after(reached: boot::Phase) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.awaited > reached)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_boot_and_are_found_by_their_phase() {
        assert!(ROWS.is_sorted_by(|one, next| one.awaited < next.awaited));
        assert!(ROWS.is_sorted_by(|one, next| one.shown <= next.shown));
        for row in &ROWS {
            assert_eq!(Row::awaiting(row.awaited), row);
        }
    }

    #[test]
    fn the_slow_accelerator_gets_more_time() {
        let row = &ROWS[0];
        assert_eq!(row.deadline(Accelerator::Kvm), Duration::from_secs(15));
        assert_eq!(row.deadline(Accelerator::Tcg), Duration::from_secs(90));
    }

    #[test]
    fn each_phase_leads_to_the_next_and_the_last_to_none() {
        assert_eq!(after(boot::Phase::Kernel).unwrap().awaited, boot::Phase::Root);
        assert_eq!(after(boot::Phase::Ssh), None);
    }
}
