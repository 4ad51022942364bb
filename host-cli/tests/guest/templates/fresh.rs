//! What guests that go on from one template must not share: identity, entropy, time.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Own;
use crate::running::wait_until;
use crate::support::Netlab;

/// A line for each thing that must be a guest's own.
const IDENTITY: &str = "cat /proc/sys/kernel/random/uuid
    od -An -tx1 -N16 /dev/urandom
    cat /etc/machine-id
    cat /proc/sys/kernel/random/boot_id
    hostname
    sha256sum < /etc/dropbear/dropbear_ed25519_host_key
    dropbearkey -t ed25519 -f /tmp/drawn 2> /dev/null | grep Fingerprint
    ssh-keygen -q -t ed25519 -N '' -C '' -f /tmp/opened && cat /tmp/opened.pub";

pub fn no_identity_is_shared(suite: &Netlab) {
    let own = Own::new(suite);
    let [ours, theirs] = ["a", "b"].map(|name| {
        own.up(&["--name", name]).by("clone");
        let words = ["--name", name, "exec", "--", "sh", "-c", IDENTITY];
        let text = own.run(words).exit(0).text();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!((ours.len(), theirs.len()), (8, 8), "{ours:?} {theirs:?}");
    for (our, their) in ours.iter().zip(&theirs) {
        assert_ne!(our, their);
    }
}

/// How far a guest's clock may be from the host's, in microseconds.
const CLOCK_WITHIN: i128 = 50_000;

pub fn clock(suite: &Netlab) {
    let own = Own::new(suite);
    own.up(&[]).by("clone");
    // A second one, whose template is older than a moment.
    own.run(["down"]).exit(0);
    own.up(&[]).by("clone");
    let offset = offset(&own);
    assert!(offset.abs() <= CLOCK_WITHIN, "the guest's clock is {offset} µs ahead");

    // Nothing was written in a time that is yet to come.
    let ahead = "find / /etc /run /tmp /var -xdev -newermt \"@$(date +%s.%N)\"";
    assert_eq!(own.run(["exec", "--", "sh", "-c", ahead]).exit(0).text(), "");

    // Whoever attaches sets the clock.
    let watch = "while [ ! -e /tmp/stop ]; do read -r up _ < /proc/uptime
        echo ${EPOCHREALTIME/./} ${up/./}; done";
    let watching = own.start(["exec", "--", "bash", "-c", watch]);
    let watcher = thread::spawn(|| watching.wait_with_output().expect("it ends"));
    for _ in 0..3 {
        own.run(["up"]).exit(0);
    }
    own.run(["exec", "--", "touch", "/tmp/stop"]).exit(0);
    let output = watcher.join().expect("the watcher ends");
    let text = String::from_utf8(output.stdout).expect("numbers");
    let rows: Vec<Vec<i128>> = text
        .lines()
        .map(|line| line.split(' ').map(|word| word.parse().expect("a number")).collect())
        .collect();
    assert!(rows.len() > 100, "{} looks at the clock", rows.len());
    for pair in rows.windows(2) {
        assert!(pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1], "{pair:?}");
    }
}

/// How far it may be from it once the host has slept, in microseconds.
const AWAKE_WITHIN: i128 = 1_000_000;

/// How long the host sleeps.
const SLEEP: Duration = Duration::from_secs(2);

pub fn sleep(suite: &Netlab) {
    suite.run(["up"]).exit(0);
    let mut clock = Clock::of(suite);
    for fall_asleep in [stand_still, freeze] {
        fall_asleep(suite);
        suite.run(["exec", "--", "true"]).exit(0);
        let offset = clock.offset();
        assert!(offset.abs() <= AWAKE_WITHIN, "the guest's clock is {offset} µs ahead");
    }
    // The first one would have been seen.
    stand_still(suite);
    let offset = clock.offset();
    assert!(offset < -AWAKE_WITHIN, "it slept, and its clock is {offset} µs ahead");
    suite.run(["up"]).exit(0);
    let offset = clock.offset();
    assert!(offset.abs() <= AWAKE_WITHIN, "the guest's clock is {offset} µs ahead");
    clock.end();
}

/// Does to a guest what a computer does that sleeps: its time stands still, and the host's goes on.
fn stand_still(suite: &Netlab) {
    let control = suite.home().join("i/default/qmp.sock");
    let mut control = BufReader::new(UnixStream::connect(control).expect("QEMU's control channel"));
    let mut tell = |command: &str| {
        let line = format!("{{\"execute\": \"{command}\"}}\n");
        control.get_mut().write_all(line.as_bytes()).expect("it takes a command");
        let mut answer = String::new();
        while !answer.contains("\"return\"") {
            answer.clear();
            control.read_line(&mut answer).expect("an answer");
        }
    };
    tell("qmp_capabilities");
    tell("stop");
    pass(SLEEP);
    tell("cont");
}

/// Stops QEMU itself, as a shell does with `Ctrl-Z`.
fn freeze(suite: &Netlab) {
    let record = std::fs::read(suite.home().join("i/default/record.json")).expect("a record");
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    let pid = &record["stage"]["process"]["pid"];
    let pid = i32::try_from(pid.as_i64().expect("a pid")).expect("a pid");
    let send = |signal| kill(Pid::from_raw(pid), signal).expect("a signal");
    send(Signal::SIGSTOP);
    pass(SLEEP);
    send(Signal::SIGCONT);
}

fn pass(time: Duration) {
    let since = Instant::now();
    wait_until("the time has passed", || since.elapsed() >= time);
}

fn offset(own: &Own) -> i128 {
    let mut clock = Clock::of(own);
    let offset = clock.offset();
    clock.end();
    offset
}

/// A guest's clock, looked at over one connection.
struct Clock {
    child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Clock {
    #[track_caller]
    fn of(netlab: &Netlab) -> Self {
        let answer = "while read -r; do echo ${EPOCHREALTIME/./}; done";
        let mut command = netlab.command(["exec", "--", "bash", "-c", answer]);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("netlab starts");
        let questions = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, questions, answers }
    }

    /// How far it is ahead of the host's, in microseconds: as told by the quickest of several answers,
    /// and as little as that allows.
    fn offset(&mut self) -> i128 {
        const ASKED: usize = 50;
        let mut best: Option<(i128, i128)> = None;
        for _ in 0..ASKED {
            let before = now();
            self.questions.write_all(b"\n").expect("it asks");
            let answer = self.answers.next().expect("an answer").expect("a line");
            let guest: i128 = answer.parse().expect("µs");
            let after = now();
            let (trip, ahead) = (after - before, guest - i128::midpoint(before, after));
            if best.is_none_or(|(quickest, _)| trip < quickest) {
                best = Some((trip, ahead));
            }
        }
        let (trip, ahead) = best.expect("an answer");
        assert!(trip < 2 * CLOCK_WITHIN, "the quickest answer took {trip} µs");
        ahead
    }

    fn end(mut self) {
        drop(self.questions);
        assert!(self.child.wait().expect("it ends").success());
    }
}

fn now() -> i128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    i128::try_from(now.as_micros()).expect("microseconds")
}
