//! Waits for a condition that has a name, and gives up with that name.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::InitError;

/// Time between two looks. Every condition waited for here comes true within milliseconds on a
/// quick host, and a look costs less than the sleep.
const PERIOD: Duration = Duration::from_millis(1);

/// Calls `look` until it finds something. `what` names the condition.
///
/// # Errors
/// [`InitError::Absent`] after `limit`, or what `look` returns.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>, InitError>,
) -> Result<T, InitError> {
    let started = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if started.elapsed() >= limit {
            return Err(InitError::Absent { what: what.to_owned(), limit });
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the wait with a name and a deadline"
        )]
        sleep(PERIOD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_comes_is_named() {
        let error = until::<()>("the moon", Duration::ZERO, || Ok(None)).unwrap_err();
        assert_eq!(error.to_string(), "the moon did not appear within 0 s");
    }

    #[test]
    fn what_comes_later_is_returned() {
        let mut looks = 0;
        let look = || {
            looks += 1;
            Ok((looks == 3).then_some("here"))
        };
        assert_eq!(until("the third look", Duration::from_secs(60), look).unwrap(), "here");
    }
}
