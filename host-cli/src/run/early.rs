//! What a guest says between two steps, kept for the next one to show: what its background commands print,
//! up to a limit.

use netlab_protocol::Event as GuestEvent;

/// Most that is kept, in bytes: an agent has at most 3 MiB waiting, what came while nobody listened included.
const MAX_BYTES: usize = 4 << 20;

/// What one event takes beside its texts, in bytes: a flood of small ones has to end as well.
const EVENT_BYTES: usize = 256;

/// The beginning of it, and how much there was after that.
#[derive(Debug, Default)]
pub(super) struct Early {
    events: Vec<GuestEvent>,
    bytes: usize,
    dropped: u64,
}

impl Early {
    /// Takes what came; nothing but output is told between two steps.
    pub(super) fn take(&mut self, event: GuestEvent) {
        let (size, output) = match &event {
            GuestEvent::Output { place, background, bytes, .. } => {
                let name = background.as_ref().map_or(0, String::len);
                (place.name().len() + name + bytes.len(), bytes.len() as u64)
            }
            GuestEvent::OutputDropped { bytes } => (0, *bytes),
            _ => return,
        };
        self.bytes = self.bytes.saturating_add(size + EVENT_BYTES);
        if self.bytes > MAX_BYTES {
            self.dropped = self.dropped.saturating_add(output);
        } else {
            self.events.push(event);
        }
    }

    /// Gives it all away.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = GuestEvent> {
        let Self { events, dropped, .. } = std::mem::take(self);
        let gap = (dropped > 0).then_some(GuestEvent::OutputDropped { bytes: dropped });
        events.into_iter().chain(gap)
    }
}

#[cfg(test)]
mod tests {
    use netlab_protocol::{Place, Stream};

    use super::*;

    fn output(bytes: &[u8]) -> GuestEvent {
        let (place, stream, bytes) = (Place::Root, Stream::Stdout, bytes.to_vec());
        GuestEvent::Output { place, background: None, stream, bytes }
    }

    #[test]
    fn what_comes_between_two_steps_is_kept_up_to_a_limit_and_the_rest_is_counted() {
        let mut early = Early::default();
        early.take(output(b"one"));
        early.take(GuestEvent::Served);
        early.take(output(&vec![b'x'; MAX_BYTES]));
        early.take(output(b"late"));
        let gap = GuestEvent::OutputDropped { bytes: MAX_BYTES as u64 + 4 };
        assert_eq!(early.drain().collect::<Vec<_>>(), [output(b"one"), gap]);
        for _ in 0..MAX_BYTES {
            early.take(GuestEvent::OutputDropped { bytes: 0 });
        }
        assert!(early.drain().count() <= MAX_BYTES / EVENT_BYTES);
        assert_eq!(early.drain().count(), 0);
    }
}
