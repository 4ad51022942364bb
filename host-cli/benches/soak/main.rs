//! Uses netlab for an hour, kills what runs at random moments, and looks at what comes of it.
//!
//! `cargo bench --bench soak -- --seconds 3600`; `--seed` repeats the plan of a run, but not the
//! moments, which depend on the machine. `--crowd 40` starts forty guests by forty netlabs instead.
//! `docs/soak.md` says what is done and counted. Linux only: what runs is found in /proc.
//!
//! `NETLAB_CACHE`: the cache with the packages and the image, or one beside the build.

mod call;
mod crowd;
mod fault;
mod interrupt;
mod left;
mod memory;
mod plan;
mod process;
mod stale;
mod tally;
mod walk;
mod world;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser as _;

use memory::Steady;
use plan::Plan;
use tally::Tally;
use world::World;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Exit code of a run that was cut short, as netlab's.
const INTERRUPTED: u8 = 130;

/// Names of the guests that are used side by side.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// One round in so many begins without a template, so that its making is killed too.
const ROUNDS_A_TEMPLATE: u32 = 4;

#[derive(clap::Parser)]
struct Options {
    /// How long new rounds are begun
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
    /// What the plan of the run is drawn from
    #[arg(long)]
    seed: Option<u64>,
    /// Start so many guests at once instead, by a netlab each
    #[arg(long, value_name = "N")]
    crowd: Option<usize>,
    /// What `cargo bench` says
    #[arg(long, hide = true)]
    bench: bool,
    /// What `cargo test --benches` says, which only asks whether it runs at all
    #[arg(long, hide = true)]
    test: bool,
}

fn main() -> Outcome<ExitCode> {
    let options = Options::parse();
    if options.test {
        return Ok(ExitCode::SUCCESS);
    }
    interrupt::listen()?;
    stale::sweep()?;
    let world = World::new()?;
    let is_good = run(&world, &options);
    if interrupt::came() {
        tally::line("interrupted");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(if is_good? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Does what was asked for; says whether nothing failed.
fn run(world: &World, options: &Options) -> Outcome<bool> {
    world.good("default", &["image", "build"])?;
    if let Some(count) = options.crowd {
        return crowd::run(world, count);
    }
    let (mut tally, begun) = (Tally::default(), Instant::now());
    let ended = soak(world, options.seed.unwrap_or_else(rand::random), options.seconds, &mut tally);
    // Of a run that was cut short too.
    tally.end(begun.elapsed());
    ended?;
    Ok(tally.is_good())
}

/// Does rounds until the time is over.
fn soak(world: &World, seed: u64, seconds: u64, tally: &mut Tally) -> Outcome<()> {
    tally::line(&format!(
        "seed {seed}, {seconds} s, guests {NAMES:?} side by side, in {}",
        world.root().display()
    ));
    let steady = Steady::up(world)?;
    // Without a fault: how long each verb takes, and what rightly stays on the disk.
    round(world, Plan::without_faults(), tally)?;
    let rightful = left::files(world);
    tally::line(&format!("round 0, without faults, {} files stay", rightful.len()));
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        number += 1;
        if number % ROUNDS_A_TEMPLATE == 0 {
            left::remove_templates(world)?;
        }
        let started = Instant::now();
        round(world, Plan::of(seed, number), tally)?;
        tally.leaked(&left::after(world, &rightful, &tally.ports));
        tally.measured(steady.measure(world)?);
        tally.round(number, started.elapsed(), begun.elapsed());
    }
    steady.down(world)
}

/// Has each guest used side by side, and then everything ended and removed.
fn round(world: &World, plan: Plan, tally: &mut Tally) -> Outcome<()> {
    let walked = std::thread::scope(|scope| {
        let walks: Vec<_> = NAMES
            .iter()
            .map(|name| {
                let (plan, durations) = (plan.of_guest(name), tally.durations.clone());
                scope.spawn(move || walk::walk(world, name, plan, &durations))
            })
            .collect();
        walks.into_iter().map(|walk| walk.join().map_err(|_| "a walk panicked")).collect::<Vec<_>>()
    });
    for walk in walked {
        tally.add(walk??);
    }
    interrupt::check()?;
    tally.add(walk::purge(world)?);
    Ok(())
}
