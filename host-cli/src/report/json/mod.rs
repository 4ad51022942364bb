//! The renderer for programs: one JSON object a line, flushed at once. Its shape is a promise of
//! its own, described in `docs/json.md` and numbered by [`JSON_VERSION`]; what host and guest say
//! to each other may change beneath it.

mod convert;
mod line;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use serde::Serialize;

use self::line::{Body, Line};
use super::{Event, Renderer, StepPlace};
use crate::provider::Tier;

/// Version of every line's shape. It grows when a field or an event goes or changes its meaning;
/// new ones may come without notice.
pub const JSON_VERSION: u32 = 1;

/// Time between two lines about a download.
const DOWNLOAD_LINES: Duration = Duration::from_secs(1);

/// Shows a run to a program.
pub struct JsonRenderer {
    stdout: Box<dyn Write + Send>,
    last_download: Option<Instant>,
    /// The step that runs, for the lines of what happens in it.
    step: Option<u32>,
}

impl JsonRenderer {
    /// Writes lines to `stdout`.
    pub fn new(stdout: Box<dyn Write + Send>) -> Self {
        Self { stdout, last_download: None, step: None }
    }

    fn write(&mut self, body: Body<'_>) -> io::Result<()> {
        let line = one_line(&Line { v: JSON_VERSION, body })?;
        self.stdout.write_all(line.as_bytes())?;
        self.stdout.flush()
    }

    /// Whether a line about a download is due; the last one always is.
    fn download_due(&mut self, last: bool, now: Instant) -> bool {
        let due = last || self.last_download.is_none_or(|then| now - then >= DOWNLOAD_LINES);
        if due {
            self.last_download = Some(now);
        }
        due
    }
}

/// Writes a value as one line. JSON lets DEL and the C1 controls stand as they are, and a terminal
/// obeys them: they are escaped like the others. They occur in strings only.
pub(super) fn one_line<T: Serialize>(value: &T) -> serde_json::Result<String> {
    let text = serde_json::to_string(value)?;
    let mut line = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        if character.is_control() {
            line.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    Ok(line)
}

impl Renderer for JsonRenderer {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let body = match event {
            Event::PhaseStarted { phase } => {
                Body::Phase { phase: phase.name(), state: "started", millis: None }
            }
            Event::PhaseDone { phase, since_start } => Body::Phase {
                phase: phase.name(),
                state: "done",
                millis: Some(convert::millis(*since_start)),
            },
            &Event::Download { done, total, files_done, files } => {
                if !self.download_due(done >= total, Instant::now()) {
                    return Ok(());
                }
                Body::Download { done, total, files_done, files }
            }
            Event::ImageStage { stage } => Body::ImageStage { stage },
            Event::Note { text } => Body::Note { text },
            Event::GuestReady {
                name,
                attached,
                architecture,
                accelerator,
                tier,
                address,
                took,
            } => Body::Ready {
                name,
                attached: *attached,
                arch: architecture.name(),
                accelerator: accelerator.as_deref(),
                start: tier.map(Tier::name),
                address,
                millis: convert::millis(*took),
            },
            &Event::GroupProgress { up, starting, failed, total, since_start } => {
                let millis = convert::millis(since_start);
                Body::GroupProgress { up, starting, failed, total, millis }
            }
            Event::Member { member } => Body::Member(convert::member(member)),
            Event::GroupEnded { members, took } => convert::group(members, *took),
            Event::LabStarted { lab, title, summary, steps, namespaces } => {
                Body::Lab { lab, title, summary, steps: *steps, namespaces }
            }
            Event::StepStarted { step, title, why } => {
                self.step = Some(step.index);
                let &StepPlace { index, number, quiet } = step;
                Body::Step { step: index, number, quiet, title, why }
            }
            Event::Guest { event, .. } => {
                return match convert::guest(self.step, event) {
                    Some(body) => self.write(body),
                    None => Ok(()),
                };
            }
            Event::StepEnded { summary } => {
                self.step = None;
                Body::StepEnd(convert::step(summary))
            }
            Event::LabEnded { summary, topology } => {
                if let Some(topology) = topology {
                    self.write(convert::topology(topology))?;
                }
                convert::result(summary)
            }
            Event::Failed { message, hint, exit } => Body::Error { message, hint, exit: *exit },
        };
        self.write(body)
    }
}

#[cfg(test)]
mod tests;
