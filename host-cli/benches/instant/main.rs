//! Prints what a start by clone, a reset, forty guests at once and a return in time cost.
//!
//! `cargo bench --bench instant` runs it, `cargo bench --bench instant -- seats` one part. Machines
//! differ by more than twice and are noisy, so seconds mean little alone: the opponents are run in
//! turn with netlab, and what counts is the ratio. A figure over its target is printed, not an error.
//!
//! - `NETLAB_BENCH_PROTOTYPE`: the folder of the prototype's scripts (`tmpl.py`, `stockboot.py`).
//! - `NETLAB_BENCH_GUESTS`: the folder of the guests that those scripts made (/tmp/p1).
//! - `NETLAB_BENCH_QEMUS`: folders with more QEMUs to run the demos with, as in PATH; `.ci/qemus` makes
//!   some.
//! - `NETLAB_BENCH_RUNS`: how many rounds (5). `NETLAB_BENCH_SEATS`: how many guests at once (40).
//! - `NETLAB_CACHE`: the cache with the image, or one beside the build.

mod back;
mod figure;
mod netlab;
mod opponents;
mod qemu;
mod seats;
mod starts;
mod tiers;

use std::env;
use std::error::Error;
use std::process::ExitCode;

use netlab::Netlab;
use opponents::Opponents;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A part of the benchmark, by the name that picks it.
type Part = (&'static str, fn(&Bench) -> Outcome<()>);

const PARTS: [Part; 4] =
    [("starts", starts::run), ("back", back::run), ("seats", seats::run), ("tiers", tiers::run)];

/// What the parts share.
struct Bench {
    netlab: Netlab,
    opponents: Opponents,
    runs: usize,
    seats: usize,
}

fn main() -> Outcome<ExitCode> {
    let words: Vec<_> = env::args().skip(1).filter(|word| !word.starts_with("--bench")).collect();
    // `cargo test --benches` only asks whether it runs at all.
    if words.iter().any(|word| word == "--test") {
        return Ok(ExitCode::SUCCESS);
    }
    let bench = Bench {
        netlab: Netlab::new()?,
        opponents: Opponents::from_environment(),
        runs: number("NETLAB_BENCH_RUNS", 5)?,
        seats: number("NETLAB_BENCH_SEATS", 40)?,
    };
    bench.netlab.run(&["image", "build"])?;
    let mut code = ExitCode::SUCCESS;
    for (name, part) in PARTS {
        if !words.is_empty() && !words.iter().any(|word| word == name) {
            continue;
        }
        figure::part(name);
        // The other figures are worth having when one part can't be measured.
        if let Err(error) = part(&bench) {
            figure::words("NOT MEASURED", &error.to_string());
            code = ExitCode::FAILURE;
        }
        bench.netlab.run(&["down", "--all"])?;
    }
    Ok(code)
}

fn number(variable: &str, default: usize) -> Outcome<usize> {
    match env::var(variable) {
        Ok(text) => text.parse().map_err(|_| format!("{variable} is no number: {text}").into()),
        Err(_) => Ok(default),
    }
}
