//! Crashes: `kill -9` of netlab, of QEMU, of the agent and of the connection, at each phase that
//! `netlab_fault` names. The rule: the next command does its work, says what it repaired, and `down`
//! leaves nothing.

mod chains;
mod point;
pub mod table;

use std::collections::VecDeque;
use std::net::TcpStream;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;

use netlab_fault::{Moment, Phase, Way};

use self::point::{Stopped, Victim};
use crate::Body;
use crate::leftovers::pids;
use crate::support::{Netlab, Outcome};

pub const TRIALS: &[(&str, Body)] = &[
    ("a_start_is_survived_at_each_phase", starts),
    ("a_lab_a_checkpoint_a_reset_and_an_end_are_survived_at_each_phase", verbs),
    ("a_template_is_made_whatever_was_killed_before", chains::template),
    ("a_template_whose_qemu_dies_costs_no_guest", chains::template_without_qemu),
    ("an_image_is_built_whatever_was_killed_before", chains::image),
];

/// Crashes that are tried at a time: a guest that starts keeps one processor busy.
const AT_ONCE: usize = 2;

/// One crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    phase: Phase,
    victim: Victim,
}

fn starts(_: &Netlab) {
    let mut crashes = vec![Crash { phase: Phase::UpLocked, victim: Victim::Netlab }];
    for way in [Way::Clone, Way::Restore, Way::Cold] {
        for moment in Moment::ALL {
            let victims: &[Victim] = match moment {
                Moment::Intent => &[Victim::Netlab],
                Moment::Spawned | Moment::Recorded | Moment::Secrets | Moment::Started => {
                    &[Victim::Netlab, Victim::Qemu]
                }
                // Nothing of netlab's is connected yet.
                Moment::LetGo => &[Victim::Netlab, Victim::Qemu],
                Moment::Connected => &[Victim::Netlab, Victim::Qemu, Victim::Connection],
                Moment::Hello => &Victim::ALL,
            };
            let phase = Phase::Start(way, moment);
            crashes.extend(victims.iter().map(|&victim| Crash { phase, victim }));
        }
    }
    try_all(crashes);
}

fn verbs(_: &Netlab) {
    let all = |phase| Victim::ALL.map(|victim| Crash { phase, victim });
    let hosts = |phase| [Victim::Netlab, Victim::Qemu].map(|victim| Crash { phase, victim });
    let netlab = |phase| [Crash { phase, victim: Victim::Netlab }];
    try_all(
        [all(Phase::DemoOpened), all(Phase::DemoStep), all(Phase::DemoClosing)]
            .into_iter()
            .flatten()
            .chain(hosts(Phase::CheckpointSaving))
            .chain(hosts(Phase::DownBegun))
            .chain(netlab(Phase::DownEnded))
            .chain(netlab(Phase::DownHalf))
            .chain(hosts(Phase::ResetReady))
            .chain(netlab(Phase::ResetGone))
            .chain(hosts(Phase::ResetDone))
            .collect(),
    );
}

/// Tries crashes, several at a time, each in a home of its own, and tells of all that went wrong.
#[track_caller]
fn try_all(crashes: Vec<Crash>) {
    let queue = Mutex::new(VecDeque::from(crashes));
    let failures = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(crash) = next() {
                    if !survived(crash, || crash.befall()) {
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(crash);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(failures.is_empty(), "not survived (see above): {failures:?}");
}

/// Notes down what a crash's trial comes to, and returns whether it was survived.
fn survived(crash: Crash, trial: impl FnOnce() -> String) -> bool {
    let result = catch_unwind(AssertUnwindSafe(trial));
    let passed = result.is_ok();
    table::note(crash, result.unwrap_or_else(|_| "FAILED".to_owned()));
    passed
}

impl Crash {
    /// Lets it befall a home of its own, checks that it is survived, and says how.
    #[track_caller]
    fn befall(self) -> String {
        let home = Home::new();
        let commands = Commands::of(self, &home);
        for words in &commands.before {
            home.run(words).exit(0);
        }
        let crashed = Stopped::at(self.phase, &home, &commands.crashed).kill(self.victim, &home);
        let ended = self.check_end(&crashed);
        let next = home.run(&commands.next).exit(0);
        home.run(["exec", "--", "true"]).exit(0);
        home.leaves_nothing();
        match self.victim {
            Victim::Netlab => self.check_repair(next),
            Victim::Qemu | Victim::Agent | Victim::Connection => ended,
        }
    }

    /// Checks how the command ended that was not killed itself.
    #[track_caller]
    fn check_end(self, crashed: &Outcome) -> String {
        let Some(code) = crashed.code else {
            assert_eq!(self.victim, Victim::Netlab, "{}", crashed.stderr);
            return String::new();
        };
        let is_lost = match self.phase {
            Phase::DemoOpened | Phase::DemoStep | Phase::DemoClosing => [5].contains(&code),
            // Whatever it is that is killed, it is not needed any more.
            Phase::DownBegun | Phase::CheckpointSaving | Phase::ResetReady | Phase::ResetDone => {
                code == 0
            }
            // A way that was asked for by name and fails is a matter of the host.
            _ => [0, 3, 4, 5].contains(&code),
        };
        assert!(is_lost, "exit {code}: {}", crashed.stderr);
        if code != 0 {
            assert!(crashed.stderr.contains("try: "), "no way on: {}", crashed.stderr);
        }
        format!("exit {code}")
    }

    /// Checks what the command after a killed netlab says that it has repaired.
    #[track_caller]
    fn check_repair(self, next: Outcome) -> String {
        let said = match self.phase {
            Phase::Start(_, Moment::Intent) | Phase::DownEnded => "cleared its record",
            Phase::Start(
                _,
                Moment::Spawned | Moment::Recorded | Moment::Secrets | Moment::Started,
            ) => "ended a half-started guest",
            Phase::DemoOpened | Phase::DemoStep | Phase::DemoClosing => "swapped it for a clean",
            _ => return "nothing to repair".to_owned(),
        };
        next.complains(&[said]);
        said.to_owned()
    }
}

/// The commands of a trial.
struct Commands {
    /// What there has to be.
    before: Vec<Vec<String>>,
    /// The one that the crash befalls.
    crashed: Vec<String>,
    /// The one after it.
    next: Vec<String>,
}

impl Commands {
    #[track_caller]
    fn of(Crash { phase, victim }: Crash, home: &Home) -> Self {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let same = |line| Self { before: Vec::new(), crashed: words(line), next: words(line) };
        let then_up =
            |line| Self { before: vec![words("up")], crashed: words(line), next: words("up") };
        match phase {
            Phase::UpLocked => same("up"),
            Phase::Start(Way::Clone, _) => same("up --start clone"),
            Phase::Start(Way::Restore, _) => same("up --start restore"),
            Phase::Start(Way::Cold, _) => same("up --start cold"),
            Phase::DemoOpened | Phase::DemoStep | Phase::DemoClosing => {
                let lab = home.lab("brief.md", include_str!("brief.md"));
                let demo = vec!["demo".to_owned(), lab.to_string_lossy().into_owned()];
                Self { before: vec![words("up")], crashed: demo.clone(), next: demo }
            }
            // There may be no guest any more that could be saved or reset again.
            Phase::CheckpointSaving if victim == Victim::Qemu => then_up("checkpoint one"),
            // It stands still while it is saved.
            Phase::CheckpointSaving => {
                Self { next: words("exec -- uptime"), ..then_up("checkpoint one") }
            }
            Phase::DownBegun | Phase::DownEnded | Phase::DownHalf => then_up("down"),
            Phase::ResetReady | Phase::ResetGone | Phase::ResetDone => then_up("reset"),
            other => panic!("{other} has a chain of its own"),
        }
    }
}

/// A home whose guests end with it, whatever came of the trial.
struct Home(Netlab);

impl Home {
    #[track_caller]
    fn new() -> Self {
        Self(Netlab::new())
    }

    /// Ends all, and checks that no process, port or file is left.
    #[track_caller]
    fn leaves_nothing(&self) {
        let lines = self.run(["status", "--json"]).exit(0).json();
        let rows = lines[0]["data"].as_array().expect("rows").clone();
        let ports = rows.iter().filter_map(|row| row["address"].as_str().map(str::to_owned));
        let ports: Vec<String> = ports.collect();
        assert!(!ports.is_empty(), "no guest is up");
        self.run(["down", "--all", "--purge"]).exit(0);
        assert_eq!(pids(self), Vec::<i32>::new(), "processes");
        for port in ports {
            assert!(TcpStream::connect(&port).is_err(), "{port} still answers");
        }
        for folder in ["i", "checkpoints"] {
            let left = std::fs::read_dir(self.home().join(folder));
            let left = left.map_or(0, |entries| entries.count());
            assert_eq!(left, 0, "files in `{folder}`");
        }
    }
}

impl Deref for Home {
    type Target = Netlab;

    fn deref(&self) -> &Netlab {
        &self.0
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Whether it works is the trials' business; a panic here would hide theirs.
        drop(self.command(["down", "--all", "--purge"]).output());
    }
}
