//! What is told of one guest while its group starts: of forty times the same phases nothing, of a
//! note that all of them have to make one.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::instance::Name;
use crate::report::{Event, Renderer, Reporter};

/// Notes of a group that have been told.
pub(super) type Told = Arc<Mutex<HashSet<String>>>;

/// Passes on what concerns the whole group.
struct Member {
    name: Name,
    group: Reporter,
    told: Told,
}

/// A reporter for the member `name` of the group whose reporter is `group`.
pub(super) fn reporter(name: &Name, group: &Reporter, told: &Told) -> Reporter {
    let (name, group, told) = (name.clone(), group.clone(), Arc::clone(told));
    Reporter::new(Box::new(Member { name, group, told }))
}

impl Renderer for Member {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Note { text } => {
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                if told.insert(text.clone()) {
                    self.group.emit(Event::Note { text: format!("{}: {text}", self.name) });
                }
            }
            Event::Download { .. } | Event::ImageStage { .. } => self.group.emit(event.clone()),
            // The group's own events stand for the rest.
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<Event>>>);

    impl Renderer for Seen {
        fn event(&mut self, event: &Event) -> io::Result<()> {
            self.0.lock().unwrap().push(event.clone());
            Ok(())
        }
    }

    #[test]
    fn a_note_is_told_once_and_phases_not_at_all() {
        let seen = Seen::default();
        let group = Reporter::new(Box::new(seen.clone()));
        let told = Told::default();
        for name in ["seat-01", "seat-02"] {
            let member = reporter(&name.parse().unwrap(), &group, &told);
            member.emit(Event::PhaseStarted { phase: crate::report::Phase::Kernel });
            member.emit(Event::Note { text: "no KVM here".to_owned() });
        }
        let note = Event::Note { text: "seat-01: no KVM here".to_owned() };
        assert_eq!(*seen.0.lock().unwrap(), [note]);
    }
}
