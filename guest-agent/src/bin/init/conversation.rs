//! What was said over the boot channel, apart from the port that carries it.
//!
//! The host's side may vanish (a `netlab` that was interrupted) and a new one come at any time.
//! Whoever comes is told everything that still holds, from the first phase on.

use netlab_protocol::boot::{Order, Report};
use netlab_protocol::{Decoder, FrameError, encode};

/// One conversation over all of its hosts.
#[derive(Default)]
pub struct Conversation {
    connected: bool,
    said: Vec<Report>,
    unsent: Vec<u8>,
    decoder: Decoder,
}

impl Conversation {
    /// Says something to this host and to all who come later.
    pub fn say(&mut self, report: Report) -> Result<(), FrameError> {
        if self.connected {
            self.unsent.extend(encode(&report)?);
        }
        self.said.push(report);
        Ok(())
    }

    /// Takes back what no longer holds, so that later hosts aren't told.
    pub fn forget(&mut self, outdated: impl Fn(&Report) -> bool) {
        self.said.retain(|said| !outdated(said));
    }

    /// A host is there. A new one is told everything.
    pub fn host_is_here(&mut self) -> Result<(), FrameError> {
        if !self.connected {
            self.connected = true;
            for report in &self.said {
                self.unsent.extend(encode(report)?);
            }
        }
        Ok(())
    }

    /// The host is gone, and with it the rest of what either side was saying.
    pub fn host_is_gone(&mut self) {
        self.connected = false;
        self.unsent.clear();
        self.decoder.clear();
    }

    /// Whether a host is there.
    pub fn connected(&self) -> bool {
        self.connected
    }

    /// Bytes on their way to the host.
    pub fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    /// Notes that the first `count` of the unsent bytes went out.
    pub fn sent(&mut self, count: usize) {
        self.unsent.drain(..count);
    }

    /// Takes in bytes from the host.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
    }

    /// Returns the host's next order, if a whole one has come. After an error the rest of what
    /// this host has said so far is dropped.
    pub fn next_order(&mut self) -> Result<Option<Order>, FrameError> {
        let order = self.decoder.message();
        if order.is_err() || self.decoder.finish().is_ok() {
            // A new one gives the old one's memory back, where the keys still are.
            self.decoder = Decoder::default();
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use netlab_protocol::boot::Phase;

    use super::*;

    const KERNEL: Report = Report::Reached { phase: Phase::Kernel, uptime_ms: 7 };

    fn drain(conversation: &mut Conversation) -> Vec<Report> {
        let mut decoder = Decoder::default();
        decoder.push(conversation.unsent());
        conversation.sent(conversation.unsent().len());
        let mut reports = Vec::new();
        while let Some(report) = decoder.message().unwrap() {
            reports.push(report);
        }
        decoder.finish().unwrap();
        reports
    }

    #[test]
    fn a_host_that_comes_late_or_anew_is_told_what_still_holds() {
        let mut conversation = Conversation::default();
        conversation.say(KERNEL).unwrap();
        assert!(conversation.unsent().is_empty(), "nobody is there yet");
        conversation.host_is_here().unwrap();
        conversation.say(Report::NeedSecrets).unwrap();
        assert_eq!(drain(&mut conversation), [KERNEL, Report::NeedSecrets]);

        conversation.host_is_gone();
        conversation.host_is_here().unwrap();
        assert_eq!(drain(&mut conversation), [KERNEL, Report::NeedSecrets]);

        conversation.forget(|report| *report == Report::NeedSecrets);
        conversation.say(Report::Ready).unwrap();
        conversation.host_is_here().unwrap();
        assert_eq!(drain(&mut conversation), [Report::Ready], "the same host hears nothing twice");
    }

    #[test]
    fn half_an_order_is_dropped_with_its_host() {
        let order = encode(&Order::SetClock { unix_nanos: 5 }).unwrap();
        let mut conversation = Conversation::default();
        conversation.host_is_here().unwrap();
        conversation.hear(&order[..order.len() - 1]);
        assert!(conversation.next_order().unwrap().is_none());
        conversation.host_is_gone();
        conversation.host_is_here().unwrap();
        conversation.hear(&order);
        assert!(matches!(conversation.next_order(), Ok(Some(Order::SetClock { unix_nanos: 5 }))));
    }

    #[test]
    fn an_order_that_is_none_is_dropped_and_the_next_is_understood() {
        let mut conversation = Conversation::default();
        conversation.hear(&encode(&"what?").unwrap());
        assert!(conversation.next_order().is_err());
        conversation.hear(&encode(&Order::SetClock { unix_nanos: 5 }).unwrap());
        assert!(matches!(conversation.next_order(), Ok(Some(_))));
    }
}
