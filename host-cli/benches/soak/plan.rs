//! What is done in a round, and which faults befall it: drawn from the seed alone.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::fault::Fault;

/// Share of the verbs that a fault befalls.
const FAULTS: f64 = 0.7;
/// Share of the verbs beside which another netlab is called.
const BYSTANDERS: f64 = 0.3;
/// Moments are drawn from this much of the time that the verb took so far.
const LATEST: f64 = 0.95;

/// What one guest is used for.
const WALK: [&[&str]; 10] = [
    &["up"],
    &["demo", "1", "--auto"],
    &["demo", "2", "--auto"],
    &["demo", "3", "--auto"],
    &["reset"],
    &["exec", "--", "touch", "/root/mine"],
    &["checkpoint"],
    &["demo", "1", "--auto", "--reset", "--keep"],
    &["back"],
    &["down"],
];

/// Other netlabs that are called meanwhile.
const BESIDE: [&[&str]; 3] = [&["status", "--json"], &["exec", "--", "true"], &["up"]];

/// A moment of a verb, as a share of the time that it usually takes.
pub type Moment = f64;

/// One verb, and what happens while it runs.
pub struct Step {
    pub words: &'static [&'static str],
    pub fault: Option<(Fault, Moment)>,
    pub beside: Option<(&'static [&'static str], Moment)>,
}

/// The plan of a round.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Seed and number of the round; `None` if nothing is to go wrong in it.
    drawn: Option<(u64, u32)>,
}

impl Plan {
    /// Verbs and nothing else.
    pub fn without_faults() -> Self {
        Self { drawn: None }
    }

    /// The plan of a round of the run with this seed.
    pub fn of(seed: u64, round: u32) -> Self {
        Self { drawn: Some((seed, round)) }
    }

    /// What one of the guests is used for.
    pub fn of_guest(self, name: &str) -> Vec<Step> {
        let plain = |words| Step { words, fault: None, beside: None };
        let Some((seed, round)) = self.drawn else {
            return WALK.into_iter().map(plain).collect();
        };
        let own = name.bytes().fold(u64::from(round), |sum, byte| sum << 8 | u64::from(byte));
        let mut random = StdRng::seed_from_u64(seed ^ own);
        let draw = |words| {
            let fault = random.random_bool(FAULTS).then(|| moment(&Fault::ALL, &mut random));
            let beside = random.random_bool(BYSTANDERS).then(|| moment(&BESIDE, &mut random));
            Step { words, fault: fault.flatten(), beside: beside.flatten() }
        };
        WALK.into_iter().map(draw).collect()
    }
}

fn moment<T: Copy>(of: &[T], random: &mut StdRng) -> Option<(T, Moment)> {
    Some((*of.choose(random)?, random.random_range(0.0..LATEST)))
}
