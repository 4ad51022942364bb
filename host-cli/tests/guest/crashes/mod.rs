//! Crashes: `kill -9` of netlab, of QEMU, of the agent and of the connection, at each phase that
//! `netlab_fault` names. The rule: the next command does its work, says what it repaired, and `down`
//! leaves nothing.

mod chains;
mod point;
pub mod table;

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use netlab_fault::{Moment, Phase, Way};

use self::point::{Stopped, Victim};
use crate::Body;
use crate::leftovers::{naming, pids};
use crate::support::{Netlab, Outcome};
use crate::templates::cache_of;

pub const TRIALS: &[(&str, Body)] = &[
    ("each_phase_is_tried", each_phase_is_tried),
    ("a_start_is_survived_at_each_phase", |suite| try_all(suite, starts())),
    ("a_lab_a_checkpoint_a_reset_and_an_end_are_survived_at_each_phase", |suite| {
        try_all(suite, verbs())
    }),
    ("a_return_to_a_checkpoint_is_survived_at_each_phase", |suite| try_all(suite, back())),
    ("a_template_is_made_whatever_was_killed_before", chains::template),
    ("a_template_whose_qemu_dies_costs_no_guest", chains::template_without_qemu),
    ("an_image_is_built_whatever_was_killed_before", chains::image),
];

/// Crashes that are tried at a time: a guest that starts keeps one processor busy.
const AT_ONCE: usize = 2;

/// What netlab says when it has put in order what a killed one left.
const REPAIRS: [&str; 7] = [
    "cleared its record",
    "cleared the unreadable record",
    "ended a half-started guest",
    "swapped it for a clean",
    "half-made template",
    "half-built image",
    "trial of an accelerator",
];

/// One crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    phase: Phase,
    victim: Victim,
    /// Whether the start is that of `back`.
    in_back: bool,
}

/// No phase is left out of the trials.
fn each_phase_is_tried(_: &Netlab) {
    let crashes = [starts(), verbs(), back()].concat();
    let chains = chains::TEMPLATE.iter().chain(&chains::IMAGE).map(|(phase, _)| *phase);
    let tried: HashSet<_> = crashes.iter().map(|crash| crash.phase).chain(chains).collect();
    let missed: Vec<_> = Phase::all().filter(|phase| !tried.contains(phase)).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

fn starts() -> Vec<Crash> {
    let mut crashes = vec![Crash::of(Phase::UpLocked, Victim::Netlab)];
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
            crashes.extend(victims.iter().map(|&victim| Crash::of(phase, victim)));
        }
    }
    crashes
}

fn verbs() -> Vec<Crash> {
    let rows: [(Phase, &[Victim]); 10] = [
        (Phase::DemoOpened, &Victim::ALL),
        (Phase::DemoStep, &Victim::ALL),
        (Phase::DemoClosing, &Victim::ALL),
        (Phase::CheckpointSaving, &Victim::HOSTS),
        (Phase::DownBegun, &Victim::HOSTS),
        (Phase::DownEnded, &[Victim::Netlab]),
        (Phase::DownHalf, &[Victim::Netlab]),
        (Phase::ResetReady, &Victim::HOSTS),
        (Phase::ResetGone, &[Victim::Netlab]),
        (Phase::ResetDone, &Victim::HOSTS),
    ];
    crashes(&rows).collect()
}

/// `back` ends the old guest before the saved one is there. Of the start's moments some are tried: on both
/// sides of the one at which the guest's own keys are put back, and with somebody logged in.
fn back() -> Vec<Crash> {
    let start = |moment| Phase::Start(Way::Restore, moment);
    let own: [(Phase, &[Victim]); 2] =
        [(Phase::BackReady, &Victim::HOSTS), (Phase::BackGone, &[Victim::Netlab])];
    let starts: [(Phase, &[Victim]); 4] = [
        (start(Moment::Spawned), &Victim::HOSTS),
        (start(Moment::Started), &Victim::HOSTS),
        (start(Moment::LetGo), &[Victim::Netlab]),
        (start(Moment::Hello), &Victim::ALL),
    ];
    let starts = crashes(&starts).map(|crash| Crash { in_back: true, ..crash });
    crashes(&own).chain(starts).collect()
}

/// A crash of each victim at each phase.
fn crashes(rows: &[(Phase, &'static [Victim])]) -> impl Iterator<Item = Crash> {
    rows.iter()
        .flat_map(|&(phase, victims)| victims.iter().map(move |&victim| Crash::of(phase, victim)))
}

/// Tries crashes, several at a time, each in a home of its own, and tells of all that went wrong.
#[track_caller]
fn try_all(suite: &Netlab, crashes: Vec<Crash>) {
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
    cache_is_clear(suite);
}

/// Notes down what a crash's trial comes to, and returns whether it was survived.
fn survived(crash: Crash, trial: impl FnOnce() -> String) -> bool {
    let result = catch_unwind(AssertUnwindSafe(trial));
    let passed = result.is_ok();
    table::note(crash, result.unwrap_or_else(|_| "FAILED".to_owned()));
    passed
}

impl Crash {
    fn of(phase: Phase, victim: Victim) -> Self {
        Self { phase, victim, in_back: false }
    }

    /// Lets it befall a home of its own, checks that it is survived, and says how.
    #[track_caller]
    fn befall(self) -> String {
        let home = Netlab::new();
        let commands = Commands::of(self, &home);
        for words in &commands.before {
            home.run(words).exit(0);
        }
        let crashed = Stopped::at(self.phase, &home, &commands.crashed).kill(self.victim, &home);
        let ended = self.check_end(&crashed);
        let next = home.run(&commands.next).exit(0);
        home.run(["exec", "--", "true"]).exit(0);
        leaves_nothing(&home);
        match self.victim {
            Victim::Netlab => self.check_repair(&next),
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
            Phase::DownBegun
            | Phase::CheckpointSaving
            | Phase::ResetReady
            | Phase::ResetDone
            | Phase::BackReady => code == 0,
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
    fn check_repair(self, next: &Outcome) -> String {
        let said = match self.phase {
            Phase::Start(_, Moment::Intent) | Phase::DownEnded => "cleared its record",
            Phase::Start(
                _,
                Moment::Spawned | Moment::Recorded | Moment::Secrets | Moment::Started,
            ) => "ended a half-started guest",
            Phase::DemoOpened | Phase::DemoStep | Phase::DemoClosing => "swapped it for a clean",
            _ => "",
        };
        repaired(next, said)
    }
}

/// Checks that a command says that it has repaired this, or nothing, and nothing else.
#[track_caller]
fn repaired(next: &Outcome, wanted: &str) -> String {
    // What is said of the guest that was to become a template is part of clearing that one away.
    let lines = || next.stderr.lines().filter(|line| !line.contains("`template`"));
    let is_said = |it: &&str| lines().any(|line| line.contains(it));
    let said: Vec<_> = REPAIRS.into_iter().filter(is_said).collect();
    let wanted = if wanted.is_empty() { Vec::new() } else { vec![wanted] };
    assert_eq!(said, wanted, "{}", next.stderr);
    said.first().map_or("nothing to repair", |said| said).to_owned()
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
    fn of(Crash { phase, victim, in_back }: Crash, home: &Netlab) -> Self {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let same = |line| Self { before: Vec::new(), crashed: words(line), next: words(line) };
        let then_up =
            |line| Self { before: vec![words("up")], crashed: words(line), next: words("up") };
        let back = || Self { before: vec![words("up"), words("checkpoint one")], ..same("back") };
        match phase {
            _ if in_back => back(),
            Phase::BackReady | Phase::BackGone => back(),
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

/// Ends all of a home, and checks that no process, port or file is left.
#[track_caller]
fn leaves_nothing(home: &Netlab) {
    let lines = home.run(["status", "--json"]).exit(0).json();
    let rows = lines[0]["data"].as_array().expect("rows").clone();
    let ports = rows.iter().filter_map(|row| row["address"].as_str().map(str::to_owned));
    let ports: Vec<String> = ports.collect();
    assert!(!ports.is_empty(), "no guest is up");
    home.run(["down", "--all", "--purge"]).exit(0);
    assert_eq!(pids(home), Vec::<i32>::new(), "processes");
    for port in ports {
        assert!(TcpStream::connect(&port).is_err(), "{port} still answers");
    }
    for folder in ["i", "checkpoints"] {
        let left = fs::read_dir(home.home().join(folder));
        let left = left.map_or(0, |entries| entries.count());
        assert_eq!(left, 0, "files in `{folder}`");
    }
}

/// Checks that nothing is left in the cache that all homes share, of what is made or tried there. To be
/// called when no netlab runs.
#[track_caller]
fn cache_is_clear(suite: &Netlab) {
    let cache = cache_of(suite);
    let (templates, trials) = (cache.join("templates"), cache.join("trials"));
    for folder in [templates.join("w"), trials.clone()] {
        assert_eq!(naming(&folder), Vec::<i32>::new(), "processes of {}", folder.display());
    }
    let is_unfinished = |name: &str| name.starts_with('.') || name == "w";
    let left = entries(&templates).into_iter().filter(|name| is_unfinished(name));
    let left = left.chain(entries(&trials).into_iter().filter(|name| name != "lock"));
    assert_eq!(left.collect::<Vec<_>>(), Vec::<String>::new(), "in {}", cache.display());
}

/// Names of what is in a folder, which need not be there.
fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|it| it.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}
