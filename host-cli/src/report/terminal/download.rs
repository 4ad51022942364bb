//! A download in numbers: speed over the last seconds, and the time left at that speed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::units;

/// The speed is measured over this long: shorter and it jumps, longer and a stall goes unseen.
const WINDOW: Duration = Duration::from_secs(5);

/// Before this much time has passed a speed says nothing.
const TOO_SOON: Duration = Duration::from_millis(500);

/// Measures a download. What was in the cache at its beginning counts as done, not as fast.
#[derive(Debug)]
pub(super) struct Meter {
    samples: VecDeque<(Instant, u64)>,
}

impl Meter {
    /// A download that begins with so many bytes already there.
    pub(super) fn new(now: Instant, done: u64) -> Self {
        Self { samples: VecDeque::from([(now, done)]) }
    }

    /// Says how far it is.
    pub(super) fn line(&mut self, done: u64, total: u64, now: Instant) -> String {
        let mut line = format!("downloading {} of {}", units::size(done), units::size(total));
        if let Some(speed) = self.speed(done, now) {
            line.push_str(&format!(", {}/s", units::size(speed)));
            let left = total.saturating_sub(done);
            if let Some(millis) = (left * 1000).checked_div(speed)
                && left > 0
            {
                let left = Duration::from_millis(millis);
                line.push_str(&format!(", {} left", units::time(left)));
            }
        }
        line
    }

    /// Bytes per second, once it can be told.
    fn speed(&mut self, done: u64, now: Instant) -> Option<u64> {
        self.samples.push_back((now, done));
        while self.samples.get(1).is_some_and(|(then, _)| now - *then >= WINDOW) {
            self.samples.pop_front();
        }
        let (then, before) = self.samples.front()?;
        let passed = now - *then;
        let millis = u64::try_from(passed.as_millis()).ok()?;
        (passed >= TOO_SOON).then(|| done.saturating_sub(*before) * 1000 / millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_no_speed_and_a_stall_is_seen() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut meter = Meter::new(at(0), 50_000_000);
        let mut line = |done: u64, seconds| meter.line(done, 80_000_000, at(seconds));
        assert_eq!(line(50_000_000, 0), "downloading 50.0 MB of 80.0 MB");
        assert_eq!(line(55_000_000, 1), "downloading 55.0 MB of 80.0 MB, 5.0 MB/s, 5.0 s left");
        line(55_000_000, 4);
        assert_eq!(line(55_000_000, 6), "downloading 55.0 MB of 80.0 MB, 0 B/s");
    }
}
