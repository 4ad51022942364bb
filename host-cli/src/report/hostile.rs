//! A guest may say anything, in any order: what programs read stays one JSON object a line, what
//! people see stays text and colour, and neither is much more than was said.

use netlab_protocol::{Event as GuestEvent, Topology};
use serde_json::Value;

use super::sample::{self, Written};
use super::*;

/// How much may be shown of a byte that a guest has sent: what is wrapped is indented, a line of a picture is
/// as wide as the page, and all is said twice. What is much more would let a guest fill the memory.
const SHOWN_FOR_A_BYTE: usize = 100;

/// What netlab itself says of a small run, in bytes.
const SAID_BY_NETLAB: usize = 64 << 10;

/// The events of an input: its lines, where they are events, else one of each kind with the input in place
/// of every text in it.
fn events(input: &[u8]) -> Vec<GuestEvent> {
    let lines = input.split(|&byte| byte == b'\n');
    let told: Vec<_> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    if !told.is_empty() {
        return told;
    }
    let text = String::from_utf8_lossy(input);
    let spoken = spoken();
    let replaced = spoken.iter().filter_map(|event| {
        let mut event = serde_json::to_value(event).unwrap();
        replace(&mut event, &text);
        serde_json::from_value(event).ok()
    });
    replaced.collect()
}

/// What a guest says in the sample runs, and how it is wired.
fn spoken() -> Vec<GuestEvent> {
    let of_guest = |event| match event {
        Event::Guest { event, .. } => Some(event),
        Event::LabEnded { topology, .. } => topology.map(GuestEvent::Topology),
        _ => None,
    };
    let runs = [sample::passing(), sample::failing(), sample::failing_setup()];
    runs.into_iter().flatten().filter_map(of_guest).collect()
}

/// Puts a text in the place of every text, but for the names of variants.
fn replace(value: &mut Value, text: &str) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), &mut *value) {
                    ("event" | "failure" | "stream" | "witness" | "exit", _) => {}
                    // Base64, as an agent writes bytes.
                    ("bytes", Value::String(bytes)) => {
                        use base64::Engine as _;
                        *bytes = base64::engine::general_purpose::STANDARD.encode(text);
                    }
                    _ => replace(value, text),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, text)),
        Value::String(old) => text.clone_into(old),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A run in which the guest says all that, in a step that is shown and in a quiet one.
fn run_of(said: &[GuestEvent]) -> Vec<Event> {
    let mut events = Vec::new();
    let topology = said.iter().rev().find_map(|event| match event {
        GuestEvent::Topology(topology) => Some(topology.clone()),
        _ => None,
    });
    for event in sample::failing_setup() {
        match event {
            Event::StepEnded { summary } => {
                let guest = |event: &GuestEvent| sample::guest(event.clone());
                events.extend(said.iter().map(guest));
                events.push(Event::StepEnded { summary: summary.clone() });
                let step = StepPlace { index: 1, number: Some(1), quiet: false };
                let (title, why) = (String::new(), String::new());
                events.push(Event::StepStarted { step, title, why });
                events.extend(said.iter().map(guest));
                events.push(Event::StepEnded { summary: StepSummary { step, ..summary } });
            }
            Event::LabEnded { summary, .. } => {
                let topology: Option<Topology> = topology.clone();
                events.push(Event::LabEnded { summary, topology });
            }
            other => events.push(other),
        }
    }
    let notes = said.iter().filter_map(|event| match event {
        GuestEvent::Failed(failure) => Some(Event::Note { text: failure.to_string() }),
        _ => None,
    });
    events.extend(notes);
    events
}

/// Shows it all and returns what was written.
fn written(mut renderer: impl Renderer, events: &[Event], written: &Written) -> String {
    for event in events {
        renderer.event(event).unwrap();
    }
    written.text()
}

#[test]
fn whatever_a_guest_says_is_one_object_a_line_or_text_and_colour() {
    bolero::check!(name = "events").for_each(|input: &[u8]| {
        let said = events(input);
        let sent = |event: &GuestEvent| serde_json::to_string(event).unwrap().len();
        let most = SAID_BY_NETLAB + SHOWN_FOR_A_BYTE * said.iter().map(sent).sum::<usize>();
        let events = run_of(&said);

        let lines = Written::default();
        let json = written(JsonRenderer::new(Box::new(lines.clone())), &events, &lines);
        assert!(json.ends_with('\n'));
        for line in json.lines() {
            let object: Value = serde_json::from_str(line).unwrap();
            assert_eq!(object["v"], 1);
            assert!(object["event"].is_string() && !line.contains(char::is_control));
        }
        assert!(json.len() <= most, "{} bytes", json.len());

        for colour in [false, true] {
            let (stdout, stderr) = (Written::default(), Written::default());
            let terminal = Terminal {
                input: false,
                output: colour,
                redraw: false,
                columns: 80,
                colour,
                unicode: colour,
            };
            let boxed: [Box<Written>; 2] = [stdout.clone().into(), stderr.clone().into()];
            let [out, err] = boxed;
            let shown = written(TerminalRenderer::new(terminal, out, err), &events, &stdout);
            for line in shown.lines().chain(stderr.text().lines()) {
                terminal::assert_harmless(line);
                assert!(colour || !line.contains('\u{1b}'));
            }
            assert!(shown.len() <= most, "{} bytes", shown.len());
        }
    });
}
