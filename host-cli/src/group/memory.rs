//! Whether the host's memory is enough for a group. The rule: a guest is reckoned with what it holds
//! after a lesson's work, not with all that it could come to hold, and above that the host must have
//! room for one guest that takes everything it may. Forty learners don't fill forty guests at once;
//! whoever expects them to has `--count` for fewer, and whoever doesn't has `--force` for more.

use super::GroupError;
use crate::provider::Tier;
use crate::provider::qemu::room;

/// What one guest holds after demo 3, in MiB, TCG's cache (up to 96) included: Pss with QEMU 7.2.
fn each_mib(tier: Tier) -> u64 {
    match tier {
        // 169 of its own, when all three runs of the demo were in the same guest; what it shares with
        // the other clones is the host's page cache.
        Tier::Clone => 176,
        // 300 of a booted one. A restored one has less at first, and the same once it is used.
        Tier::Restore | Tier::Cold => 304,
    }
}

/// Checks that `count` more guests fit into the memory that is free.
///
/// # Errors
/// [`GroupError::Memory`] with the number that does.
pub(super) fn check(count: usize, tier: Tier, available_mib: u64) -> Result<(), GroupError> {
    // Where the system doesn't tell, they are simply tried.
    if count == 0 || available_mib == 0 {
        return Ok(());
    }
    let each_mib = each_mib(tier);
    let fit = available_mib.saturating_sub(room::needed_memory_mib()) / each_mib;
    let fit = usize::try_from(fit).unwrap_or(usize::MAX);
    if count <= fit {
        return Ok(());
    }
    Err(GroupError::Memory { asked: count, fit, each_mib, available_mib })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a hundred fit, or `None` if all do.
    fn fit(count: usize, tier: Tier, available_mib: u64) -> Option<usize> {
        match check(count, tier, available_mib) {
            Ok(()) => None,
            Err(GroupError::Memory { fit, .. }) => Some(fit),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn as_many_fit_as_leave_room_for_one_that_takes_all() {
        let spare = room::needed_memory_mib();
        for tier in Tier::ALL {
            let each = each_mib(tier);
            assert_eq!(fit(40, tier, spare + 40 * each), None);
            assert_eq!(fit(40, tier, spare + 40 * each - 1), Some(39));
            assert_eq!(fit(1, tier, spare), Some(0));
            assert_eq!(fit(1, tier, 1), Some(0));
        }
    }

    #[test]
    fn nothing_to_start_and_nothing_known_is_no_refusal() {
        assert_eq!(fit(0, Tier::Cold, 1), None);
        assert_eq!(fit(40, Tier::Cold, 0), None);
    }
}
