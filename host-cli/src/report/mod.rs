//! From events to what people and programs read. The rest of netlab emits [`Event`]s; a
//! [`Renderer`] turns them into a terminal or into JSON lines, and neither knows the other.
//!
//! To add a renderer: one file here and one line in [`Reporter::new`].

mod event;

use std::sync::{Arc, Mutex, PoisonError};

pub use event::{Event, LabSummary, Phase, StepPlace, StepSummary};

/// Turns events into output, one at a time, in order.
pub trait Renderer: Send {
    /// Shows one event.
    fn event(&mut self, event: &Event);
}

/// A handle on the one renderer of this run; cheap to clone, safe to use from any task.
#[derive(Clone)]
pub struct Reporter {
    renderer: Arc<Mutex<Box<dyn Renderer>>>,
}

impl Reporter {
    /// Wraps the renderer of this run.
    pub fn new(renderer: Box<dyn Renderer>) -> Self {
        Self { renderer: Arc::new(Mutex::new(renderer)) }
    }

    /// Shows one event.
    pub fn emit(&self, event: Event) {
        // A renderer that panicked in another task is still the only way to tell the user.
        let mut renderer = self.renderer.lock().unwrap_or_else(PoisonError::into_inner);
        renderer.event(&event);
    }
}
