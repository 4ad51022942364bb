//! One guest from `up` to `down`, with faults, and what has to work after each of them.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::call::{self, Ended, Meanwhile};
use crate::fault::{self, Fault};
use crate::plan::{Moment, Step};
use crate::world::World;
use crate::{Outcome, interrupt};

/// Until a verb has been seen, it is taken to take so long.
const UNKNOWN: Duration = Duration::from_secs(2);

/// A verb by its words, without their arguments.
pub type Kind = String;

/// What came of a walk.
#[derive(Default)]
pub struct Walked {
    /// Each fault, what it befell, and whether there was something to do it to.
    pub faults: Vec<(Fault, Kind, bool)>,
    pub failures: Vec<String>,
    /// Each verb that ended without a fault.
    pub calls: Vec<(Kind, Duration)>,
    /// The most memory of netlab's in each verb, in KiB.
    pub peaks: Vec<(Kind, u64)>,
    pub ports: HashSet<u16>,
}

/// How long verbs take.
pub type Durations = BTreeMap<Kind, Duration>;

/// Uses one guest.
pub fn walk(
    world: &World,
    name: &str,
    steps: Vec<Step>,
    durations: &Durations,
) -> Result<Walked, String> {
    let mut walk = Walk { world, name, durations, walked: Walked::default() };
    for step in steps {
        let done = walk.step(&step);
        // What it had so far counts; the verb that was cut short says nothing.
        if interrupt::came() {
            break;
        }
        done.map_err(|error| format!("{name}: {:?}: {error}", step.words))?;
    }
    Ok(walk.walked)
}

/// Ends everything of the home, and removes all of it.
pub fn purge(world: &World) -> Outcome<Walked> {
    let mut walk =
        Walk { world, name: "default", durations: &BTreeMap::new(), walked: Walked::default() };
    walk.well(&["down", "--all", "--purge"], "after the round")?;
    Ok(walk.walked)
}

struct Walk<'a> {
    world: &'a World,
    name: &'a str,
    durations: &'a Durations,
    walked: Walked,
}

impl Walk<'_> {
    fn step(&mut self, step: &Step) -> Outcome<()> {
        let (world, name, kind) = (self.world, self.name, kind(step.words));
        let usual = self.durations.get(&kind).copied().unwrap_or(UNKNOWN);
        let at = |moment: Moment| usual.mul_f64(moment);
        let landed = AtomicBool::new(false);
        let landed = &landed;
        let words = format!("{name}: {}", step.words.join(" "));
        let (ended, beside) = thread::scope(|scope| {
            let beside = step.beside.map(|(words, moment)| {
                let at = at(moment);
                let call = scope.spawn(move || {
                    call::rest(at);
                    let text = format!("{name}: {}", words.join(" "));
                    call::run(world, world.command(name, words), &text, None)
                        .map_err(|error| error.to_string())
                });
                (words, call)
            });
            let meanwhile = step.fault.map(|(fault, moment)| Meanwhile {
                at: at(moment),
                act: Box::new(move |netlab| {
                    landed.store(fault.inflict(world, name, netlab), Ordering::Relaxed);
                }),
            });
            let ended = call::run(world, world.command(name, step.words), &words, meanwhile);
            let beside = beside.map(|(words, call)| (words, call.join()));
            (ended, beside)
        });
        let ended = ended?;
        self.walked.peaks.push((kind.clone(), ended.peak));
        self.walked.ports.extend(fault::port(world, name));
        let fault = step.fault.filter(|_| landed.load(Ordering::Relaxed)).map(|(fault, _)| fault);
        if let Some((fault, _)) = step.fault {
            self.walked.faults.push((fault, kind.clone(), landed.load(Ordering::Relaxed)));
        }
        let beside = match beside {
            Some((words, Ok(ended))) => Some((words, ended?)),
            Some((_, Err(_))) => return Err("the netlab beside it could not be watched".into()),
            None => None,
        };
        if let Some((words, bystander)) = &beside {
            self.look_at_bystander(words, bystander, step.words, fault);
        }
        match fault {
            Some(fault) => {
                if let Some(what) = fault.wrong(&ended) {
                    self.fail(&ended, &format!("{what}, after {}", fault.words()));
                }
                self.recover(step.words, fault)?;
            }
            None if self.is_excused(
                step.words,
                &ended,
                beside.as_ref().map(|(words, _)| *words),
            ) =>
            {
                self.recover(step.words, Fault::KillNetlab)?;
            }
            None => self.look(&ended, "without a fault"),
        }
        Ok(())
    }

    /// Whether a verb may have failed only because of the one that was called beside it.
    fn is_excused(&self, words: &[&str], ended: &Ended, beside: Option<&[&str]>) -> bool {
        // An `up` that comes first or in between holds the guest for a while; `down` waits 3 s.
        let is_contested = beside == Some(&["up"]) && words == ["down"];
        is_contested && ended.code == Some(4) && ended.errors.contains("another netlab")
    }

    /// The next command has to work, and the same one as well.
    fn recover(&mut self, words: &'static [&'static str], fault: Fault) -> Outcome<()> {
        let after = format!("after {}", fault.words());
        // These bring the guest up themselves, or need none.
        if !matches!(words[0], "up" | "demo" | "down") {
            self.well(&["up"], &after)?;
            // The demo that is gone back behind need not have got as far as the checkpoint.
            if words[0] == "back" {
                self.well(&["checkpoint"], &after)?;
            }
        }
        self.well(words, &after)
    }

    fn well(&mut self, words: &[&str], after: &str) -> Outcome<()> {
        let text = format!("{}: {}", self.name, words.join(" "));
        let ended = call::run(self.world, self.world.command(self.name, words), &text, None)?;
        self.walked.peaks.push((kind(words), ended.peak));
        self.look(&ended, after);
        Ok(())
    }

    fn look(&mut self, ended: &Ended, after: &str) {
        if ended.code != Some(0) {
            self.fail(ended, &format!("it should have worked, {after}"));
        }
        let words = ended.words.split(' ').skip(1).collect::<Vec<_>>();
        self.walked.calls.push((kind(&words), ended.took));
    }

    /// `status` always works; the others may meet a guest that is gone, is starting, or is cut off.
    fn look_at_bystander(
        &mut self,
        words: &[&str],
        ended: &Ended,
        beside: &[&str],
        fault: Option<Fault>,
    ) {
        let harms_guest =
            matches!(fault, Some(Fault::KillQemu | Fault::KillAgent | Fault::CutConnection));
        let takes_guest = matches!(beside[0], "down" | "reset" | "back" | "demo");
        let may_fail = words[0] == "exec" || words[0] == "up" && (harms_guest || takes_guest);
        let is_good = ended.code == Some(0) || may_fail && matches!(ended.code, Some(4 | 5));
        let helps = fault::unhelpful(ended).is_none();
        if !is_good || !helps {
            let fault = fault.map_or("no fault", Fault::words);
            self.fail(ended, &format!("beside `{}` with {fault}", beside.join(" ")));
        }
    }

    fn fail(&mut self, ended: &Ended, what: &str) {
        let Ended { words, code, signal, text, errors, took, .. } = ended;
        let end = code.map_or_else(|| format!("signal {signal:?}"), |code| format!("exit {code}"));
        let last: Vec<_> = text.lines().rev().take(5).collect();
        let last: Vec<_> = last.into_iter().rev().collect();
        self.walked.failures.push(format!(
            "`{words}`: {what}: {end} after {:.1} s\n{}\n{}{}",
            took.as_secs_f64(),
            last.join("\n"),
            errors.trim_end(),
            self.console_of_a_panic()
        ));
    }

    /// The whole console of a guest whose kernel broke: netlab's error has its last lines only, and the
    /// next start has another console.
    fn console_of_a_panic(&self) -> String {
        let log = self.world.instance(self.name).join("serial.log");
        let console = fs::read(log).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let is_broken = console.contains("Kernel panic") || console.contains("Call Trace");
        if is_broken { format!("\nits console:\n{console}") } else { String::new() }
    }
}

/// What is counted together.
fn kind(words: &[&str]) -> Kind {
    let count = if words[0] == "demo" { 2 } else { 1 };
    let kept = if words.contains(&"--keep") { " --keep" } else { "" };
    format!("{}{kept}", words[..count.min(words.len())].join(" "))
}
