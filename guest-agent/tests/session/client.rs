//! The host's side of a session, with a deadline on every answer.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use netlab_protocol::{Decoder, Event, Failure, Hello, Plan, Request, Stream, Verdict, encode};

use crate::world::World;

/// Longest wait for any answer; far more than the slowest test needs, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

pub struct Client {
    pub hello: Hello,
    agent: Child,
    input: Option<ChildStdin>,
    events: Receiver<Event>,
}

impl Client {
    /// Starts an agent in a world and takes its hello.
    #[track_caller]
    pub fn connect(world: &World) -> Self {
        let mut agent = world
            .command(env!("CARGO_BIN_EXE_netlab-agent"))
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = agent.stdin.take();
        let mut output = agent.stdout.take().unwrap();
        let (hellos, hello) = mpsc::channel();
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            let mut decoder = Decoder::default();
            let mut buffer = vec![0; 64 << 10];
            let mut greeted = false;
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                decoder.push(&buffer[..count]);
                if !greeted && let Some(hello) = decoder.message::<Hello>().unwrap() {
                    hellos.send(hello).unwrap();
                    greeted = true;
                }
                while greeted && let Some(event) = decoder.message::<Event>().unwrap() {
                    // A test that is over wants no more events.
                    let _over = sender.send(event);
                }
            }
            decoder.finish().unwrap();
        });
        let hello = hello.recv_timeout(LIMIT).expect("a hello");
        Self { hello, agent, input, events }
    }

    /// Connects and opens a plan.
    #[track_caller]
    pub fn open(world: &World, plan: &Plan) -> Self {
        let mut client = Self::connect(world);
        client.send(&Request::Open(Box::new(plan.clone())));
        assert_eq!(client.next(), Event::Opened);
        client
    }

    pub fn send(&mut self, request: &Request) {
        let frame = encode(request).unwrap();
        self.input.as_mut().unwrap().write_all(&frame).unwrap();
    }

    #[track_caller]
    pub fn next(&self) -> Event {
        self.events.recv_timeout(LIMIT).expect("an event")
    }

    /// Waits for an event, throwing away those before it.
    #[track_caller]
    pub fn wait_for(&self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.next();
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Runs a step to its end.
    #[track_caller]
    pub fn step(&mut self, index: u32) -> Told {
        self.send(&Request::Step { index });
        let mut events = Vec::new();
        loop {
            let event = self.next();
            if let Event::StepEnded { passed, .. } = event {
                return Told { events, passed };
            }
            events.push(event);
        }
    }

    /// Closes the lab and returns what was removed.
    #[track_caller]
    pub fn close(&mut self, keep: bool) -> Vec<String> {
        self.send(&Request::Close { keep });
        self.closed()
    }

    #[track_caller]
    pub fn closed(&self) -> Vec<String> {
        match self.wait_for(|event| matches!(event, Event::Closed { .. })) {
            Event::Closed { removed, errors } => {
                assert_eq!(errors, Vec::<String>::new());
                removed
            }
            _ => unreachable!(),
        }
    }

    /// Breaks the connection off and waits for the agent's end.
    #[track_caller]
    pub fn hang_up(mut self) {
        drop(self.input.take());
        assert!(self.agent.wait().unwrap().success());
    }

    /// Breaks the connection off and hangs its session up, without waiting for an end.
    pub fn abandon(mut self) {
        let pid = self.agent_pid();
        drop(self.input.take());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    }

    /// Breaks the connection off and hangs its session up, as the agent sees together with what
    /// happens `meanwhile`: it is stopped until then.
    pub fn abandon_during(mut self, meanwhile: impl FnOnce()) {
        let pid = self.agent_pid();
        let nsenter = nix::unistd::Pid::from_raw(self.agent.id().cast_signed());
        let signal = |pid, signal| nix::sys::signal::kill(pid, signal).unwrap();
        signal(pid, nix::sys::signal::Signal::SIGSTOP);
        // `nsenter` stops itself when it sees its child stopped.
        let stat = format!("/proc/{nsenter}/stat");
        while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
            thread::yield_now();
        }
        meanwhile();
        drop(self.input.take());
        signal(pid, nix::sys::signal::Signal::SIGHUP);
        signal(pid, nix::sys::signal::Signal::SIGCONT);
        signal(nsenter, nix::sys::signal::Signal::SIGCONT);
    }

    /// Waits for the agent's end and says whether it was a good one.
    #[track_caller]
    pub fn ended(mut self) -> bool {
        drop(self.input.take());
        self.agent.wait().unwrap().success()
    }

    /// Kills the agent.
    pub fn kill(mut self) {
        nix::sys::signal::kill(self.agent_pid(), nix::sys::signal::Signal::SIGKILL).unwrap();
        self.agent.wait().unwrap();
    }

    /// The agent's id on this machine: `nsenter` has become it, or is its parent.
    fn agent_pid(&self) -> nix::unistd::Pid {
        let nsenter = self.agent.id();
        let children = format!("/proc/{nsenter}/task/{nsenter}/children");
        let children = std::fs::read_to_string(children).unwrap();
        let pid = children.split_whitespace().next().map_or(nsenter, |pid| pid.parse().unwrap());
        nix::unistd::Pid::from_raw(pid.cast_signed())
    }
}

/// What a step told.
#[derive(Debug)]
pub struct Told {
    pub events: Vec<Event>,
    pub passed: bool,
}

impl Told {
    /// All that the commands in the foreground printed.
    pub fn output(&self) -> String {
        self.output_of(None)
    }

    pub fn output_of(&self, name: Option<&str>) -> String {
        let mut text = Vec::new();
        for event in &self.events {
            if let Event::Output { bytes, background, stream: Stream::Stdout, .. } = event
                && background.as_deref() == name
            {
                text.extend_from_slice(bytes);
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    pub fn verdicts(&self) -> Vec<&Verdict> {
        let mut verdicts = Vec::new();
        for event in &self.events {
            if let Event::Checked(verdict) = event {
                verdicts.push(verdict);
            }
        }
        verdicts
    }

    /// Each verdict as `passed check witness: actual`.
    pub fn lines(&self) -> Vec<String> {
        let line = |it: &&Verdict| {
            let mark = if it.passed { "ok" } else { "FAILED" };
            format!("{mark} {} {:?}: {}", it.check, it.witness, it.actual)
        };
        self.verdicts().iter().map(line).collect()
    }

    pub fn failure(&self) -> Option<&Failure> {
        self.events.iter().find_map(|event| match event {
            Event::Failed(failure) => Some(failure),
            _ => None,
        })
    }
}
