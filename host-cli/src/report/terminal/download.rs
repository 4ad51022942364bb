//! A download in numbers: its speed over the last seconds, and the time left at its speed as a whole,
//! since servers send in bursts.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::units;

/// The speed is measured over this long: shorter and it jumps, longer and a stall goes unseen.
const WINDOW: Duration = Duration::from_secs(5);

/// Before this much time has passed a speed says nothing.
const TOO_SOON: Duration = Duration::from_millis(500);

/// Before this much time has passed, the time that it takes to connect is most of it.
const TOO_SOON_FOR_THE_REST: Duration = Duration::from_secs(3);

/// Measures a download. What was in the cache at its beginning counts as done, not as fast.
#[derive(Debug)]
pub(super) struct Meter {
    begin: (Instant, u64),
    samples: VecDeque<(Instant, u64)>,
}

impl Meter {
    /// A download that begins with so many bytes already there.
    pub(super) fn new(now: Instant, done: u64) -> Self {
        Self { begin: (now, done), samples: VecDeque::from([(now, done)]) }
    }

    /// Says how far it is.
    pub(super) fn line(&mut self, done: u64, total: u64, now: Instant) -> String {
        let mut line = format!("downloading {} of {}", units::size(done), units::size(total));
        if let Some(speed) = self.speed(done, now) {
            line.push_str(&format!(", {}/s", units::size(speed)));
            // Of a download that stands still nobody knows.
            if let Some(left) = self.left(done, total, now).filter(|_| speed > 0) {
                line.push_str(&format!(", {} left", units::time(left)));
            }
        }
        line
    }

    /// The time that the rest takes, once it can be told and if there is any.
    fn left(&self, done: u64, total: u64, now: Instant) -> Option<Duration> {
        let (then, before) = self.begin;
        let (passed, rest) = (now - then, total.saturating_sub(done));
        if passed < TOO_SOON_FOR_THE_REST || rest == 0 {
            return None;
        }
        let millis = u64::try_from(passed.as_millis()).ok()?;
        let left = rest.saturating_mul(millis).checked_div(done.saturating_sub(before))?;
        Some(Duration::from_millis(left))
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
        assert_eq!(line(55_000_000, 1), "downloading 55.0 MB of 80.0 MB, 5.0 MB/s");
        line(55_000_000, 4);
        assert_eq!(line(55_000_000, 6), "downloading 55.0 MB of 80.0 MB, 0 B/s");
    }

    #[test]
    fn the_time_left_is_that_of_the_whole_and_not_of_a_burst() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut meter = Meter::new(at(0), 0);
        let mut line = |done: u64, seconds| meter.line(done, 80_000_000, at(seconds));
        line(20_000_000, 4);
        assert_eq!(line(20_064_000, 10), "downloading 20.1 MB of 80.0 MB, 11 kB/s, 29.9 s left");
    }
}
