//! The guest's clocks: since boot, and the wall clock that the host sets.

use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};

use crate::error::InitError;

/// How far a running guest's clock may be ahead of the host's and stay: a program that measures
/// with it must not see time run backwards for what is only drift or a slow order. More is a host
/// whose clock was wrong itself.
const TOLERATED_AHEAD: Duration = Duration::from_secs(1);

/// Returns milliseconds since the kernel started.
pub fn uptime_ms() -> Result<u64, InitError> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_err(|cause| InitError::System { doing: "read the clock", cause })?;
    Ok(u64::try_from(Duration::from(now).as_millis()).unwrap_or(u64::MAX))
}

/// Sets the wall clock of a guest that nothing has looked at as this instance.
pub fn start_at(unix_nanos: u64) -> Result<(), InitError> {
    let time = TimeSpec::from_duration(Duration::from_nanos(unix_nanos));
    clock_settime(ClockId::CLOCK_REALTIME, time)
        .map_err(|cause| InitError::System { doing: "set the clock", cause })
}

/// Sets the wall clock of a running guest, unless that would turn it back by less than
/// [`TOLERATED_AHEAD`].
pub fn set(unix_nanos: u64) -> Result<(), InitError> {
    let now = clock_gettime(ClockId::CLOCK_REALTIME)
        .map_err(|cause| InitError::System { doing: "read the clock", cause })?;
    if is_set(Duration::from(now), Duration::from_nanos(unix_nanos)) {
        start_at(unix_nanos)?;
    }
    Ok(())
}

/// Whether a clock at `now` is set to `wanted`, both since 1970.
fn is_set(now: Duration, wanted: Duration) -> bool {
    now.checked_sub(wanted).is_none_or(|ahead| ahead >= TOLERATED_AHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_set_forward_always_and_back_only_when_it_is_wrong() {
        let now = Duration::from_secs(100);
        let millis = Duration::from_millis;
        let cases = [
            (now + millis(1), true),
            (now + millis(3_600_000), true),
            (now - millis(1), false),
            (now - millis(999), false),
            (now - millis(1000), true),
        ];
        for (wanted, set) in cases {
            assert_eq!(is_set(now, wanted), set, "{wanted:?}");
        }
    }
}
