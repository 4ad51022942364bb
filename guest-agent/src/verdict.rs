//! From a check to a verdict: which outcome is right in which situation, and for how long to wait.
//!
//! A negative claim proves nothing on a dead network, so its control, the same probe where it
//! must succeed, is tried right before it. A probe that could not be made never passes.

use std::time::Duration;

use netlab_protocol::{Check, Event, Verdict, Witness};
use tokio::time::{Instant, sleep};

use crate::lab::Lab;
use crate::probe::{self, Outcome};
use crate::wire::Outbox;

/// Longest single attempt: a probe that waits for an answer is made anew after it.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(1);

/// Shortest single attempt: less would judge the machine and not the network.
const LEAST_ATTEMPT: Duration = Duration::from_millis(100);

/// Pause between attempts that were answered at once.
const PAUSE: Duration = Duration::from_millis(30);

/// How long a taken-away mechanism may take to show: the kernel and the switch act within
/// milliseconds, the switch's flow cache within a second.
const EFFECT_LIMIT: Duration = Duration::from_secs(3);

/// Longest account of what came, in characters. A lease file of a mebibyte, all of it told, would be more than
/// a frame holds, and the host would never hear of the verdict.
const TOLD_CHARACTERS: usize = 1000;

/// Which outcome a situation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Success,
    Failure,
}

impl Wanted {
    /// A claim holds in every situation but one: with its mechanism taken away.
    fn of(check: &Check, witness: Witness) -> Self {
        let must_hold = match witness {
            Witness::Claim | Witness::Control | Witness::Restored => true,
            Witness::Without => false,
        };
        if must_hold == check.negative { Self::Failure } else { Self::Success }
    }

    fn is_met_by(self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Yes(_) => self == Self::Success,
            Outcome::No(_) => self == Self::Failure,
            Outcome::Unknown(_) => false,
        }
    }
}

/// What repeated attempts are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The outcome has to come out right once: the first right one ends it.
    Right,
    /// The outcome has to stay right: the first wrong one ends it.
    Wrong,
}

/// How a check is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Patience {
    /// One attempt's limit.
    attempt: Duration,
    /// For how long attempts are repeated at most.
    window: Duration,
    /// What ends them before.
    until: Until,
}

impl Patience {
    fn of(check: &Check, witness: Witness) -> Self {
        let within = Duration::from_millis(check.within_ms);
        // Only the silence of whoever should answer takes time to tell.
        let attempt = if check.probe.awaits_answer() {
            within.clamp(LEAST_ATTEMPT, ATTEMPT_LIMIT)
        } else {
            ATTEMPT_LIMIT
        };
        let (window, until) = match (Wanted::of(check, witness), witness) {
            (Wanted::Failure, Witness::Claim | Witness::Control) => (within, Until::Wrong),
            (Wanted::Failure, Witness::Without) => (EFFECT_LIMIT, Until::Right),
            (Wanted::Failure, Witness::Restored) | (Wanted::Success, _) => (within, Until::Right),
        };
        Self { attempt, window, until }
    }
}

/// Tries a check in a situation, tells the host, and says whether it came out as it should.
pub async fn judge(lab: &Lab, check: &Check, witness: Witness, outbox: &Outbox) -> bool {
    let needs_control = Wanted::of(check, witness) == Wanted::Failure && check.negative;
    let control = check.control.as_deref().filter(|_| needs_control);
    let mut problem = None;
    if let Some(id) = control {
        problem = match lab.check(id) {
            Some(control) if try_and_tell(lab, control, Witness::Control, None, outbox).await => {
                None
            }
            Some(Check { claim, .. }) => {
                Some(format!("its control \"{claim}\" does not hold, so it proves nothing"))
            }
            None => Some(format!("the lab has no control `{id}`")),
        };
    }
    try_and_tell(lab, check, witness, problem, outbox).await
}

/// Tries once more and more until it is right or too late. With a `problem` it fails untried.
async fn try_and_tell(
    lab: &Lab,
    check: &Check,
    witness: Witness,
    problem: Option<String>,
    outbox: &Outbox,
) -> bool {
    let begun = Instant::now();
    let wanted = Wanted::of(check, witness);
    let (words, outcome) = match probe::expand(&check.probe, &lab.values) {
        Ok(probe) => {
            let words = probe::words(&check.place, &probe);
            let outcome = match problem {
                Some(problem) => Outcome::Unknown(problem),
                None => {
                    let attempt =
                        async |limit| probe::attempt(lab, &check.place, &probe, limit).await;
                    insist(wanted, Patience::of(check, witness), attempt).await
                }
            };
            (words, outcome)
        }
        Err(unknown) => {
            (probe::words(&check.place, &check.probe), Outcome::Unknown(unknown.to_string()))
        }
    };
    let passed = wanted.is_met_by(&outcome);
    let (Outcome::Yes(actual) | Outcome::No(actual) | Outcome::Unknown(actual)) = outcome;
    let expected = match wanted {
        Wanted::Success => words.success,
        Wanted::Failure => words.failure,
    };
    let verdict = Verdict {
        check: check.id.clone(),
        claim: check.claim.clone(),
        place: check.place.clone(),
        passed,
        witness,
        expected,
        actual: told(actual),
        look: words.look,
        millis: milliseconds(begun.elapsed()),
    };
    outbox.send(Event::Checked(verdict)).await;
    passed
}

/// An account of what came, cut to a bearable length.
fn told(mut actual: String) -> String {
    if let Some((end, _)) = actual.char_indices().nth(TOLD_CHARACTERS) {
        actual.truncate(end);
        actual.push('…');
    }
    actual
}

/// Attempts, at least once, until the outcome is the one that is waited for or the window is over.
async fn insist<A>(wanted: Wanted, patience: Patience, attempt: A) -> Outcome
where
    A: AsyncFn(Duration) -> Outcome,
{
    let deadline = Instant::now() + patience.window;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Where nothing may come, the last attempt ends with the window and not after it.
        let limit = match patience.until {
            Until::Wrong if left + PAUSE < patience.attempt => left.max(LEAST_ATTEMPT),
            Until::Right | Until::Wrong => patience.attempt,
        };
        let outcome = attempt(limit).await;
        let is_over = match patience.until {
            Until::Right => wanted.is_met_by(&outcome),
            Until::Wrong => !wanted.is_met_by(&outcome),
        };
        if is_over || Instant::now() + PAUSE >= deadline {
            return outcome;
        }
        sleep(PAUSE).await;
    }
}

/// Returns whole milliseconds, as events carry them.
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use netlab_protocol::{Place, Probe, Target};

    use super::*;

    fn check(negative: bool, within_ms: u64) -> Check {
        Check {
            line: 1,
            id: "red-blue".to_owned(),
            claim: "red reaches blue".to_owned(),
            place: Place::Namespace("red".to_owned()),
            negative,
            control: None,
            within_ms,
            probe: Probe::Listens("tcp:1".to_owned()),
        }
    }

    #[test]
    fn a_claim_must_hold_but_without_its_mechanism() {
        use Wanted::{Failure, Success};
        for (negative, witness, wanted) in [
            (false, Witness::Claim, Success),
            (false, Witness::Control, Success),
            (false, Witness::Without, Failure),
            (false, Witness::Restored, Success),
            (true, Witness::Claim, Failure),
            (true, Witness::Without, Success),
            (true, Witness::Restored, Failure),
        ] {
            assert_eq!(Wanted::of(&check(negative, 1), witness), wanted, "{negative} {witness:?}");
        }
    }

    #[test]
    fn an_account_that_no_frame_would_hold_is_cut() {
        assert_eq!(told("red".to_owned()), "red");
        let cut = told("ä".repeat(2 << 20));
        assert_eq!(cut.chars().count(), TOLD_CHARACTERS + 1);
        assert!(cut.ends_with("ä…"));
    }

    #[test]
    fn a_probe_that_could_not_be_made_is_right_in_no_situation() {
        let unknown = Outcome::Unknown("no such namespace".to_owned());
        assert!(!Wanted::Success.is_met_by(&unknown));
        assert!(!Wanted::Failure.is_met_by(&unknown));
    }

    #[test]
    fn a_negative_claim_has_to_stay_right_and_others_to_become_it() {
        let seconds = Duration::from_secs;
        for (negative, witness, window, until) in [
            (false, Witness::Claim, seconds(7), Until::Right),
            (true, Witness::Claim, seconds(7), Until::Wrong),
            (false, Witness::Without, EFFECT_LIMIT, Until::Right),
            (true, Witness::Without, seconds(7), Until::Right),
            (true, Witness::Restored, seconds(7), Until::Right),
        ] {
            let patience = Patience::of(&check(negative, 7000), witness);
            let expected = Patience { attempt: seconds(1), window, until };
            assert_eq!(patience, expected, "{negative} {witness:?}");
        }
        let reach = Check {
            probe: Probe::Reach(Target::Ping { address: "10.0.0.2".to_owned() }),
            ..check(true, 300)
        };
        let quick = Patience::of(&reach, Witness::Claim);
        assert_eq!(quick.attempt, Duration::from_millis(300));
    }

    /// Attempts of which all but the third fail, and how many were made.
    async fn third_succeeds(wanted: Wanted, until: Until, window: Duration) -> (bool, usize) {
        let count = Cell::new(0);
        let attempt = async |_limit| {
            count.set(count.get() + 1);
            Outcome::of(count.get() == 3, "")
        };
        let patience = Patience { attempt: LEAST_ATTEMPT, window, until };
        let outcome = insist(wanted, patience, attempt).await;
        (wanted.is_met_by(&outcome), count.get())
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_stop_at_the_first_outcome_that_decides() {
        let minute = Duration::from_secs(60);
        assert_eq!(third_succeeds(Wanted::Success, Until::Right, minute).await, (true, 3));
        assert_eq!(third_succeeds(Wanted::Failure, Until::Wrong, minute).await, (false, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn what_must_not_come_is_waited_for_during_the_whole_window() {
        let begun = Instant::now();
        let patience = Patience {
            attempt: Duration::from_secs(1),
            window: Duration::from_millis(2500),
            until: Until::Wrong,
        };
        let limits = std::cell::RefCell::new(Vec::new());
        let attempt = async |limit: Duration| {
            limits.borrow_mut().push(milliseconds(limit));
            sleep(limit).await;
            Outcome::No(String::new())
        };
        insist(Wanted::Failure, patience, attempt).await;
        assert_eq!(*limits.borrow(), [1000, 1000, 440]);
        assert_eq!(begun.elapsed(), patience.window);
    }
}
