//! Whole runs over a session whose guest answers from a table, with saved states that are only
//! noted: which requests are sent in which order, and what the learner is told.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use netlab_protocol::{Failure, Hello, PROTOCOL_VERSION, Place, Step, Stream, encode};

use super::pace::Ways;
use super::*;
use crate::cancel::Canceller;
use crate::lab;
use crate::platform::Architecture;
use crate::report::Renderer;
use crate::ssh::test_server::{Guest, connect};

/// What happened, in order and in words.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Renderer for Log {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Note { text } => self.add(format!("note: {text}")),
            Event::Guest { event: GuestEvent::Output { bytes, .. }, .. } => {
                self.add(format!("output: {}", String::from_utf8_lossy(bytes)));
            }
            _ => {}
        }
        Ok(())
    }
}

/// A guest in which every step passes and a background command talks between two steps.
fn guest(log: &Log, kept: Option<String>) -> Guest {
    let hello = Hello {
        protocol: PROTOCOL_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: "6.12".to_owned(),
        uptime_ms: 1,
        kept,
        held: None,
    };
    let log = log.clone();
    let mut guest = Guest::new();
    guest.agent = [b"have\n".to_vec(), encode(&hello).unwrap()].concat();
    guest.answers = Some(Arc::new(move |request| {
        let talk = GuestEvent::Output {
            place: Place::Root,
            background: Some("server".to_owned()),
            stream: Stream::Stdout,
            bytes: b"a client".to_vec(),
        };
        let (line, answer) = match request {
            Request::Open(_) => ("open".to_owned(), vec![GuestEvent::Opened]),
            Request::Step { index } => {
                let ended = GuestEvent::StepEnded { step: *index, passed: true, millis: 1 };
                (format!("step {index}"), vec![ended])
            }
            Request::Hold => ("hold".to_owned(), vec![talk, GuestEvent::Held]),
            Request::Attach => ("attach".to_owned(), vec![GuestEvent::Attached]),
            Request::Close { .. } | Request::Reset => {
                let line = if *request == Request::Reset { "reset" } else { "close" };
                let (removed, errors) = (Vec::new(), Vec::new());
                (line.to_owned(), vec![GuestEvent::Closed { removed, errors }])
            }
            other => {
                let failure = Failure::Missing { what: "diagram".to_owned() };
                (format!("{other:?}"), vec![GuestEvent::Failed(failure)])
            }
        };
        log.add(line);
        answer
    }));
    guest
}

/// Saved states that are only noted.
struct Noted<'a> {
    guest: &'a Guest,
    log: Log,
    saved: BTreeSet<u32>,
    can_save: bool,
    can_return: bool,
    /// Pressed while the guest is brought back.
    canceller: Option<&'a Canceller>,
}

#[async_trait]
impl History for Noted<'_> {
    async fn save(&mut self, step: u32) -> Result<(), Error> {
        if !self.can_save {
            return Err(RunError::Unsaved { why: "the disk is full".to_owned() }.into());
        }
        self.log.add(format!("save {step}"));
        self.saved.insert(step);
        Ok(())
    }

    fn has(&self, step: u32) -> bool {
        self.saved.contains(&step)
    }

    async fn back(&mut self, step: u32) -> Result<Session, Error> {
        if !self.can_return {
            return Err(RunError::Unsaved { why: "it was altered".to_owned() }.into());
        }
        self.log.add(format!("back {step}"));
        if let Some(canceller) = self.canceller {
            canceller.press();
        }
        Ok(Session::open(&connect(self.guest).await?, Architecture::HOST).await?)
    }

    fn begins(&mut self, _: u32) -> Result<(), Error> {
        Ok(())
    }

    fn unavailable(&self) -> Option<String> {
        None
    }
}

/// A learner who presses these keys and then lets the rest run.
struct Learner {
    keys: VecDeque<Choice>,
    log: Log,
}

#[async_trait]
impl Pace for Learner {
    fn asks(&self) -> bool {
        !self.keys.is_empty()
    }

    async fn before(&mut self, _: &Step, place: StepPlace, ways: &Ways) -> Result<Choice, Error> {
        let Some(choice) = self.keys.pop_front() else { return Ok(Choice::Go) };
        let number = place.number.unwrap();
        self.log.add(match &ways.back {
            Ok(_) => format!("{choice:?} at {number}"),
            Err(why) => format!("{choice:?} at {number}, no way back: {why}"),
        });
        Ok(choice)
    }
}

/// A lab of three steps.
fn three_steps() -> Lab {
    let step = |name| format!("## {name}\n\nWhy.\n\n```sh\ntrue\n```\n\n");
    let header = "# Three\n\n```toml lab\nid = \"three\"\nsummary = \"Steps\"\nminutes = 1\n\
                  namespaces = [\"red\"]\n```\n\n";
    let text = [header.to_owned(), step("One"), step("Two"), step("Three")].concat();
    lab::parse(&lab::Source { name: "three.md".to_owned(), text }).unwrap()
}

/// What a run is tried with; a test changes what matters to it.
struct Trial {
    keys: Vec<Choice>,
    from: u32,
    saved: Vec<u32>,
    can_save: bool,
    can_return: bool,
    guest_may_go: bool,
    /// A lab that was kept in the guest, and whether it may go.
    kept: Option<String>,
    left_may_go: bool,
    /// Whether the user interrupts while the guest is brought back.
    interrupt: bool,
}

impl Default for Trial {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            from: 1,
            saved: Vec::new(),
            can_save: true,
            can_return: true,
            guest_may_go: true,
            kept: None,
            left_may_go: true,
            interrupt: false,
        }
    }
}

impl Trial {
    /// Runs the lab. Returns what happened, and the steps that count at the end.
    async fn run(self) -> (Vec<String>, Vec<u32>) {
        let (log, summary) = self.outcome().await;
        let summary = summary.unwrap();
        assert!(summary.passed);
        (log, summary.steps.iter().map(|step| step.step.index).collect())
    }

    /// Runs the lab. Returns what happened, and what came of it.
    async fn outcome(self) -> (Vec<String>, Result<LabSummary, Error>) {
        let log = Log::default();
        let guest = guest(&log, self.kept);
        let session =
            Session::open(&connect(&guest).await.unwrap(), Architecture::HOST).await.unwrap();
        let (canceller, cancel) = Canceller::new();
        let reporter = Reporter::new(Box::new(log.clone()));
        let saved = self.saved.into_iter().collect();
        let (can_save, can_return) = (self.can_save, self.can_return);
        let canceller = self.interrupt.then_some(&canceller);
        let log_of_history = log.clone();
        let mut history =
            Noted { guest: &guest, log: log_of_history, saved, can_save, can_return, canceller };
        let mut pace = Learner { keys: self.keys.into(), log: log.clone() };
        let (lab, options) = (
            three_steps(),
            Options {
                from: self.from,
                keep: false,
                guest_may_go: self.guest_may_go,
                left_may_go: self.left_may_go,
            },
        );
        let run = Run::open(session, &mut history, &lab, options, &reporter, &cancel).await;
        let summary = match run {
            Ok(run) => run.finish(&lab, &mut pace).await,
            Err(error) => Err(error),
        };
        (log.take(), summary)
    }
}

const END: [&str; 3] = ["Topology", "note: no diagram: the guest has no diagram", "close"];

#[track_caller]
fn assert_log(log: &[String], expected: &[&str]) {
    assert_eq!(log, [expected, &END].concat());
}

#[tokio::test]
async fn a_run_that_nobody_is_asked_in_saves_nothing() {
    let (log, steps) = Trial::default().run().await;
    assert_log(&log, &["open", "step 0", "step 1", "step 2"]);
    assert_eq!(steps, [0, 1, 2]);
}

#[tokio::test]
async fn the_guest_is_saved_before_each_question_and_brought_back_step_by_step() {
    use Choice::{Back, Go};
    let keys = vec![Go, Go, Back, Back, Go];
    let (log, steps) = Trial { keys, ..Trial::default() }.run().await;
    assert_log(
        &log,
        &[
            "open",
            "hold",
            "save 0",
            "attach",
            "Go at 1, no way back: this is the first step",
            "output: a client",
            "step 0",
            "hold",
            "save 1",
            "attach",
            "Go at 2",
            "output: a client",
            "step 1",
            "hold",
            "save 2",
            "attach",
            "Back at 3",
            "back 1",
            "attach",
            "note: the guest is as it was before step 2",
            "Back at 2",
            "back 0",
            "attach",
            "note: the guest is as it was before step 1",
            "Go at 1, no way back: this is the first step",
            "step 0",
            "step 1",
            "step 2",
        ],
    );
    assert_eq!(steps, [0, 1, 2], "a step counts once");
}

#[tokio::test]
async fn a_save_that_fails_costs_the_way_back_and_not_the_lab() {
    use Choice::{Back, Go};
    let keys = vec![Go, Back, Go];
    let (log, steps) = Trial { keys, can_save: false, ..Trial::default() }.run().await;
    let why = "the guest can't be saved: the disk is full";
    assert_log(
        &log,
        &[
            "open",
            "hold",
            "attach",
            &format!("note: from here on there is no way back: {why}"),
            "Go at 1, no way back: this is the first step",
            "output: a client",
            "step 0",
            &format!("Back at 2, no way back: {why}"),
            &format!("Go at 2, no way back: {why}"),
            "step 1",
            "step 2",
        ],
    );
    assert_eq!(steps, [0, 1, 2]);
}

#[tokio::test]
async fn a_guest_that_can_not_be_brought_back_goes_on() {
    use Choice::{Back, Go};
    let keys = vec![Go, Back, Go];
    let (log, _) = Trial { keys, can_return: false, ..Trial::default() }.run().await;
    let told = log.iter().filter(|line| line.starts_with("note") || line.ends_with("at 2"));
    let told: Vec<_> = told.map(String::as_str).collect();
    let why = "note: can't go back: the guest can't be saved: it was altered";
    assert_eq!(told, ["Back at 2", why, "Go at 2", END[1]]);
    assert_eq!(log.iter().filter(|line| *line == "save 1").count(), 1, "it is saved already");
}

#[tokio::test]
async fn a_run_starts_from_the_guest_that_was_saved_before_its_first_step() {
    let trial = || Trial { from: 3, saved: vec![2], ..Trial::default() };
    let (log, steps) = trial().run().await;
    let started = "note: step 3 starts from the guest that was saved before it";
    assert_log(&log, &["back 2", "attach", started, "step 2"]);
    assert_eq!(steps, [2], "what was not run now does not count");

    let (log, steps) = Trial { can_return: false, ..trial() }.run().await;
    let why = "note: can't go back: the guest can't be saved: it was altered";
    assert_log(&log, &[why, "open", "step 0", "step 1", "step 2"]);
    assert_eq!(steps, [0, 1, 2]);

    let (log, _) = Trial { saved: vec![1], ..trial() }.run().await;
    assert_log(&log, &["open", "step 0", "step 1", "step 2"]);
}

#[tokio::test]
async fn a_guest_that_may_not_go_is_left_only_for_what_this_run_saved() {
    use Choice::{Back, Go};
    let keys = vec![Back, Go, Back, Go];
    let (from, saved) = (2, vec![0, 1]);
    let trial = Trial { keys, from, saved, guest_may_go: false, ..Trial::default() };
    let (log, _) = trial.run().await;
    let told: Vec<_> = log.iter().filter(|line| !line.starts_with("output")).collect();
    assert_eq!(
        told[..],
        [
            "note: replaying the steps before: the saved guest would take yours away",
            "open",
            "step 0",
            "hold",
            "save 1",
            "attach",
            "Back at 2, no way back: this is the step that you began with",
            "Go at 2, no way back: this is the step that you began with",
            "step 1",
            "hold",
            "save 2",
            "attach",
            "Back at 3",
            "back 1",
            "attach",
            "note: the guest is as it was before step 2",
            "Go at 2, no way back: this is the step that you began with",
            "step 1",
            "step 2",
            END[0],
            END[1],
            END[2],
        ]
    );
}

#[tokio::test]
async fn an_interruption_on_the_way_back_leaves_no_held_lab() {
    use Choice::{Back, Go};
    let trial = Trial { keys: vec![Go, Back], interrupt: true, ..Trial::default() };
    let (log, outcome) = trial.outcome().await;
    assert_eq!(outcome.unwrap_err().to_string(), "interrupted");
    assert_eq!(log[log.len() - 4..], ["Back at 2", "back 0", "attach", "close"]);

    let trial = Trial { from: 3, saved: vec![2], interrupt: true, ..Trial::default() };
    let (log, outcome) = trial.outcome().await;
    assert_eq!(outcome.unwrap_err().to_string(), "interrupted");
    assert_eq!(log, ["back 2", "attach", "close"]);
}

#[tokio::test]
async fn a_lab_that_somebody_kept_goes_only_if_it_may() {
    let kept = || Trial { kept: Some("other".to_owned()), ..Trial::default() };
    let (log, outcome) = Trial { left_may_go: false, ..kept() }.outcome().await;
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "lab `other` stands on this machine: you or somebody else may have kept it"
    );
    assert_eq!(log, [""; 0]);
    let (log, _) = kept().run().await;
    let cleared = "note: clearing away what lab `other` left in the guest";
    assert_log(&log, &[cleared, "reset", "open", "step 0", "step 1", "step 2"]);
}
