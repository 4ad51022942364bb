//! From events to what people and programs read. The rest of netlab emits [`Event`]s; a
//! [`Renderer`] turns them into a terminal or into JSON lines, and neither knows the other.
//!
//! To add a renderer: one file here, and one line in [`Reporter::for_run`].

mod diagram;
mod event;
mod json;
mod member;
pub mod print;
pub mod prompt;
mod table;
mod terminal;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

pub use event::{Event, LabSummary, Phase, StepPlace, StepSummary};
pub use json::JsonRenderer;
pub use member::{Member, MemberState};
pub use terminal::{Terminal, TerminalRenderer, harmless, size, time};

use crate::cli::Options;

/// Turns events into output, one at a time, in order.
pub trait Renderer: Send {
    /// Shows one event.
    ///
    /// # Errors
    /// The output can't be written.
    fn event(&mut self, event: &Event) -> io::Result<()>;
}

/// A handle on the one renderer of this run; cheap to clone, safe to use from any task.
#[derive(Clone)]
pub struct Reporter {
    output: Arc<Mutex<Output>>,
    closed: Arc<Notify>,
}

/// The renderer, and the error that ended its work.
struct Output {
    renderer: Box<dyn Renderer>,
    broken: Option<io::Error>,
}

impl Reporter {
    /// Wraps the renderer of this run.
    pub fn new(renderer: Box<dyn Renderer>) -> Self {
        let output = Arc::new(Mutex::new(Output { renderer, broken: None }));
        Self { output, closed: Arc::default() }
    }

    /// Chooses the renderer of this run.
    pub fn for_run(terminal: Terminal, options: &Options) -> Self {
        let (stdout, stderr) = (Box::new(io::stdout()), Box::new(io::stderr()));
        if options.json {
            return Self::new(Box::new(JsonRenderer::new(stdout)));
        }
        Self::new(Box::new(TerminalRenderer::new(terminal, stdout, stderr)))
    }

    /// Shows one event.
    ///
    /// A reader that has gone away (`netlab demo 3 | head`) must not end a lab half-way: after the
    /// first error nothing more is written, [`Reporter::closed`] returns, and [`Reporter::finish`]
    /// tells of it.
    pub fn emit(&self, event: Event) {
        let mut output = self.lock();
        if output.broken.is_none()
            && let Err(error) = output.renderer.event(&event)
        {
            if error.kind() == io::ErrorKind::BrokenPipe {
                self.closed.notify_one();
            }
            output.broken = Some(error);
        }
    }

    /// Returns once whoever read the output has gone away.
    pub async fn closed(&self) {
        self.closed.notified().await;
    }

    /// Says whether everything so far could be written.
    ///
    /// # Errors
    /// The first error that was met, once.
    pub fn finish(&self) -> io::Result<()> {
        self.lock().broken.take().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, Output> {
        // A renderer that panicked in another task is still the only way to tell the user.
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod sample;

/// Tells nobody anything.
#[cfg(test)]
pub struct Silent;

#[cfg(test)]
impl Renderer for Silent {
    fn event(&mut self, _: &Event) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Renderer for Closed {
        fn event(&mut self, _: &Event) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_away_is_told_of_at_once_and_at_the_end() {
        let reporter = Reporter::new(Box::new(Closed));
        reporter.emit(Event::Note { text: "one".to_owned() });
        reporter.closed().await;
        reporter.emit(Event::Note { text: "two".to_owned() });
        assert_eq!(reporter.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(reporter.finish().is_ok());
    }
}
