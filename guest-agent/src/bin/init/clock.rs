//! The guest's clocks: since boot, and the wall clock that the host sets.

use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};

use crate::error::InitError;

/// Returns milliseconds since the kernel started.
pub fn uptime_ms() -> Result<u64, InitError> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_err(|cause| InitError::System { doing: "read the clock", cause })?;
    Ok(u64::try_from(Duration::from(now).as_millis()).unwrap_or(u64::MAX))
}

/// Sets the wall clock.
pub fn set(unix_nanos: u64) -> Result<(), InitError> {
    let time = TimeSpec::from_duration(Duration::from_nanos(unix_nanos));
    clock_settime(ClockId::CLOCK_REALTIME, time)
        .map_err(|cause| InitError::System { doing: "set the clock", cause })
}
