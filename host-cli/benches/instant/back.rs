//! A checkpoint's pause, and the way back: as verbs, and by `b` in the middle of demo 3.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStderr, ChildStdin, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::netlab::Netlab;
use crate::{Bench, Outcome, figure};

/// Longest pause of a guest that is saved, in seconds.
const PAUSE_SECONDS: f64 = 0.5;
/// A return, against a start by clone.
const BACK_OF_START: f64 = 2.0;
/// How often it has to work in a row.
const IN_A_ROW: usize = 5;
/// The step of demo 3 from which to go back: half of its shown ones are done.
const FROM_STEP: u32 = 5;
/// How many pings make a usual gap.
const USUAL_PINGS: usize = 50;

/// Measures all of them.
pub fn run(bench: &Bench) -> Outcome<()> {
    let netlab = &bench.netlab;
    let mut up = Vec::new();
    // The first start makes the template.
    netlab.run(&["up"])?;
    for _ in 0..bench.runs {
        netlab.run(&["down"])?;
        up.push(netlab.clone_start()?);
    }
    figure::times("`up`, to the agent's answer", &up);
    let pause = pause(netlab)?;
    figure::at_most("longest gap in a ping while it is saved", pause, PAUSE_SECONDS, "s");
    let mut back = Vec::new();
    for _ in 0..IN_A_ROW {
        back.push(netlab.run(&["back", "bench"])?.1);
    }
    figure::times("`back`, the whole command", &back);
    figure::ratio("back / up", &back, &up, BACK_OF_START);

    let mut keys = Vec::new();
    for _ in 0..IN_A_ROW {
        netlab.run(&["down"])?;
        netlab.run(&["up"])?;
        keys.extend(Lab::start(netlab)?.there_and_back(1)?);
    }
    figure::times("`b` in demo 3, to the next question, then to the end", &keys);
    figure::ratio("b / up", &keys, &up, BACK_OF_START);
    let keys = Lab::start(netlab)?.there_and_back(IN_A_ROW)?;
    figure::times("`b` five times in one demo 3, then to the end", &keys);
    figure::ratio("b / up", &keys, &up, BACK_OF_START);
    Ok(())
}

/// The longest silence of a ping in the guest while it is saved, in seconds. The usual gap, of
/// 20 ms, is in it.
fn pause(netlab: &Netlab) -> Outcome<f64> {
    let mut ping = netlab
        .command(&["exec", "--", "ping", "-i", "0.02", "127.0.0.1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut lines = BufReader::new(ping.stdout.take().ok_or("no pipe")?).lines();
    for _ in 0..USUAL_PINGS {
        lines.next().ok_or("the ping ended")??;
    }
    let longest = thread::spawn(move || {
        let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
        while let Some(Ok(_)) = lines.next() {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        longest
    });
    let saved = netlab.run(&["checkpoint", "bench"]);
    ping.kill()?;
    ping.wait()?;
    let longest = longest.join().map_err(|_| "the reader of pings panicked")?;
    figure::times("`checkpoint`, the whole command", &[saved?.1]);
    Ok(longest.as_secs_f64())
}

/// Demo 3, stepped through by a pipe.
struct Lab {
    child: Child,
    keys: ChildStdin,
    questions: Lines<BufReader<ChildStderr>>,
    result: thread::JoinHandle<Last>,
}

/// The last line that a lab printed.
type Last = Result<Value, String>;

impl Lab {
    fn start(netlab: &Netlab) -> Outcome<Self> {
        let mut child = netlab
            .command(&["demo", "3", "--step", "--json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let keys = child.stdin.take().ok_or("no pipe")?;
        let questions = BufReader::new(child.stderr.take().ok_or("no pipe")?).lines();
        let lines = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        let result = thread::spawn(move || last(lines));
        Ok(Self { child, keys, questions, result })
    }

    /// Goes on to a step in the middle, back so many times, and then to the end, where every check
    /// has to have passed. Returns how long each way back took, to the next question.
    fn there_and_back(mut self, times: usize) -> Outcome<Vec<Duration>> {
        let mut backs = Vec::new();
        let mut step = self.question()?;
        while backs.len() < times {
            while step < FROM_STEP {
                self.press("\n")?;
                step = self.question()?;
            }
            let started = Instant::now();
            self.press("b")?;
            let now = self.question()?;
            if now >= step {
                return Err(format!("`b` before step {step} led to step {now}").into());
            }
            backs.push(started.elapsed());
            step = now;
        }
        self.press("r")?;
        drop(self.keys);
        // Whatever it says from now on is no question.
        let told: Vec<String> = self.questions.map_while(Result::ok).collect();
        let status = self.child.wait()?;
        let result = self.result.join().map_err(|_| "the reader of results panicked")??;
        if !status.success() || result["ok"] != true || result["passed"] != result["checks"] {
            return Err(format!("demo 3: {status}: {result} {}", told.join(" ")).into());
        }
        Ok(backs)
    }

    fn press(&mut self, key: &str) -> Outcome<()> {
        self.keys.write_all(key.as_bytes())?;
        Ok(self.keys.flush()?)
    }

    /// Waits for the next question; returns the number of the step that it asks for.
    fn question(&mut self) -> Outcome<u32> {
        let mut told = String::new();
        for line in self.questions.by_ref() {
            let line = line?;
            if let Some((_, rest)) = line.split_once("Enter: step ") {
                let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
                return Ok(number.parse()?);
            }
            told.push_str(&line);
        }
        Err(format!("demo 3 ended without a question: {told}").into())
    }
}

/// Reads all lines of a lab and returns the last.
fn last(lines: impl std::io::BufRead) -> Last {
    let last = lines.lines().map_while(Result::ok).last().ok_or("demo 3 said nothing")?;
    serde_json::from_str(&last).map_err(|error| error.to_string())
}
