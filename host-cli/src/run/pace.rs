//! The learner's pace: straight through, or a question before each step.

use std::io::{self, IsTerminal as _, Read as _};
use std::time::Duration;

use async_trait::async_trait;
use crossterm::event::{self, Event as TerminalEvent, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal;
use netlab_protocol::{Action, Place, Step};

use crate::cancel::Cancel;
use crate::error::{Error, Exit, Hint};
use crate::instance::{InstancePaths, usage};
use crate::provider::Endpoint;
use crate::report::{Event, Reporter, StepPlace};
use crate::ssh;

/// What to do at the start of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Run it.
    Go,
    /// Run the one before once more.
    Again,
    /// Bring the guest back as it was before the step that was shown last.
    Back,
    /// End the lab here.
    Quit,
    /// The learner pressed Ctrl-C.
    Interrupt,
}

/// The ways back at the start of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways {
    /// Whether there is a step to run once more.
    pub again: bool,
    /// Position of the step that a saved guest leads back to, or why there is none.
    pub back: Result<usize, String>,
}

/// Decides when a step may begin.
#[async_trait]
pub trait Pace: Send {
    /// Says whether anybody will be asked before the next step.
    fn asks(&self) -> bool;

    /// Asks whether to go on.
    async fn before(&mut self, step: &Step, place: StepPlace, ways: &Ways)
    -> Result<Choice, Error>;
}

/// Runs straight through.
pub struct Straight;

#[async_trait]
impl Pace for Straight {
    fn asks(&self) -> bool {
        false
    }

    async fn before(&mut self, _: &Step, _: StepPlace, _: &Ways) -> Result<Choice, Error> {
        Ok(Choice::Go)
    }
}

/// The keyboard could not be read.
#[derive(Debug, thiserror::Error)]
#[error("could not read a key from the terminal")]
pub struct KeyError(#[from] io::Error);

impl Hint for KeyError {
    fn hint(&self) -> String {
        "run the lab straight through with `--auto`".to_owned()
    }

    fn exit(&self) -> Exit {
        Exit::HostLacks
    }
}

/// How long one look at the keyboard waits, so that an interruption is seen meanwhile.
const KEY_POLL: Duration = Duration::from_millis(100);

/// Waits for a key before each step.
pub struct Paced {
    endpoint: Endpoint,
    paths: InstancePaths,
    reporter: Reporter,
    cancel: Cancel,
    rest: bool,
}

impl Paced {
    /// Asks on this terminal; `endpoint` and `paths` are for "a shell here".
    pub fn new(
        endpoint: Endpoint,
        paths: InstancePaths,
        reporter: Reporter,
        cancel: Cancel,
    ) -> Self {
        Self { endpoint, paths, reporter, cancel, rest: false }
    }

    async fn shell(&self, place: &Place) -> Result<u8, Error> {
        usage::mark_work(&self.paths)?;
        Ok(ssh::shell(&self.endpoint, place).await?)
    }

    async fn key(&self) -> Result<KeyCode, KeyError> {
        let cancel = self.cancel.clone();
        let read = tokio::task::spawn_blocking(move || read_key(&cancel));
        tokio::select! {
            key = read => key.map_err(|error| KeyError(io::Error::other(error)))?,
            // A read of a pipe can't be called back.
            () = self.cancel.cancelled() => Ok(KeyCode::Null),
        }
    }
}

#[async_trait]
impl Pace for Paced {
    fn asks(&self) -> bool {
        !self.rest
    }

    async fn before(
        &mut self,
        step: &Step,
        place: StepPlace,
        ways: &Ways,
    ) -> Result<Choice, Error> {
        if self.rest {
            return Ok(Choice::Go);
        }
        let shell_place = first_place(step);
        let question = question(place.number.unwrap_or_default(), &shell_place, ways);
        loop {
            crate::report::prompt::ask(&question);
            let key = self.key().await?;
            crate::report::prompt::clear();
            match key {
                KeyCode::Enter | KeyCode::Char(' ' | 'n') => return Ok(Choice::Go),
                KeyCode::Char('r') => {
                    self.rest = true;
                    return Ok(Choice::Go);
                }
                KeyCode::Char('a') if ways.again => return Ok(Choice::Again),
                KeyCode::Char('b') => match &ways.back {
                    Ok(_) => return Ok(Choice::Back),
                    Err(why) => {
                        self.reporter.emit(Event::Note { text: format!("can't go back: {why}") });
                    }
                },
                KeyCode::Char('q') => return Ok(Choice::Quit),
                KeyCode::Char('s') => {
                    if let Err(error) = self.shell(&shell_place).await {
                        self.reporter.emit(Event::Note { text: format!("no shell: {error}") });
                    }
                }
                KeyCode::Null => return Ok(Choice::Interrupt),
                _ => {}
            }
        }
    }
}

/// The question before a step, with the keys that lead somewhere. The heading comes with the step:
/// the question has to fit on one row to be wiped again.
fn question(number: u32, shell_place: &Place, ways: &Ways) -> String {
    let again = if ways.again { ", a again" } else { "" };
    let back = if ways.back.is_ok() { ", b back" } else { "" };
    format!("  Enter: step {number} (r the rest, s shell in {shell_place}{again}{back}, q quit) ")
}

/// Where a learner would look around before a step: where its first command runs.
fn first_place(step: &Step) -> Place {
    let place = step.actions.iter().find_map(|action| match action {
        Action::Run(command) => Some(command.place.clone()),
        Action::Start(background) => Some(background.place.clone()),
        Action::Check(_) => None,
    });
    place.unwrap_or(Place::Root)
}

/// Reads one key: from a terminal in raw mode, where [`KeyCode::Null`] stands for Ctrl-C, which is
/// then a key like any other; from a pipe one character, so that `--step` can be scripted.
fn read_key(cancel: &Cancel) -> Result<KeyCode, KeyError> {
    let mut stdin = io::stdin();
    if !stdin.is_terminal() {
        let mut byte = [0];
        return Ok(match stdin.read(&mut byte)? {
            0 => KeyCode::Char('q'),
            _ if byte[0] == b'\n' => KeyCode::Enter,
            _ => KeyCode::Char(char::from(byte[0])),
        });
    }
    terminal::enable_raw_mode()?;
    let key = wait_for_key(cancel);
    terminal::disable_raw_mode()?;
    key
}

fn wait_for_key(cancel: &Cancel) -> Result<KeyCode, KeyError> {
    while !cancel.is_cancelled() {
        if !event::poll(KEY_POLL)? {
            continue;
        }
        if let TerminalEvent::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            let control = key.modifiers.contains(KeyModifiers::CONTROL);
            return Ok(match key.code {
                KeyCode::Char('c' | 'd') if control => KeyCode::Null,
                // An Enter that was typed before the terminal was raw comes as a line feed.
                KeyCode::Char('j') if control => KeyCode::Enter,
                code => code,
            });
        }
    }
    Ok(KeyCode::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_shows_only_the_keys_that_lead_somewhere() {
        let no = || Err("this is the first step".to_owned());
        for (again, back, asked) in [
            (false, no(), "  Enter: step 2 (r the rest, s shell in red, q quit) "),
            (true, no(), "  Enter: step 2 (r the rest, s shell in red, a again, q quit) "),
            (true, Ok(0), "  Enter: step 2 (r the rest, s shell in red, a again, b back, q quit) "),
        ] {
            let place = Place::from("red".to_owned());
            assert_eq!(question(2, &place, &Ways { again, back }), asked);
            assert!(asked.len() < 80, "it fits on one row");
        }
    }
}
