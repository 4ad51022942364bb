//! What became of the guest, when its connection is lost: an error says no more than that it was.

use std::sync::{Arc, Mutex, PoisonError};

use crate::context::Context;
use crate::error::{Error, Exit, Hint};
use crate::instance::Name;
use crate::provider::{Endpoint, Fate, Seen};

/// The guest that a run has gone into last.
#[derive(Debug, Clone, Default)]
pub struct Entered(Arc<Mutex<Option<Seen>>>);

impl Entered {
    /// Notes down that the run goes into this guest.
    pub fn note(&self, endpoint: &Endpoint) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = endpoint.seen.clone();
    }

    /// Which guest that is, if it is one of netlab's own.
    fn seen(&self) -> Option<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The connection was lost, and the guest's fate is known.
#[derive(Debug, thiserror::Error)]
#[error("{lost}; {}", in_words(fate))]
pub struct GuestLost {
    /// Name of the instance.
    name: String,
    /// What was lost, and by what.
    lost: Error,
    /// What became of the guest.
    fate: Fate,
}

/// Adds to a lost connection what became of the guest, where that can be found out.
pub async fn explain(error: Error, context: &Context) -> Error {
    if error.exit() != Exit::ConnectionLost {
        return error;
    }
    let Some(seen) = context.entered.seen() else { return error };
    // What keeps it from being found out is not what the user has to hear of.
    let Ok(provider) = context.provider() else { return error };
    let Some(emulator) = provider.machine().emulator() else { return error };
    match emulator.fate(&seen).await {
        Ok(Some(fate)) => {
            GuestLost { name: context.options.name.clone(), lost: error, fate }.into()
        }
        Ok(None) | Err(_) => error,
    }
}

fn in_words(fate: &Fate) -> String {
    match fate {
        Fate::Runs { killed: None } => "the guest itself runs on".to_owned(),
        Fate::Runs { killed: Some(killed) } => {
            format!("the guest itself runs on, and its kernel says: {killed}")
        }
        Fate::Panicked { reason, console } => {
            format!("the guest's kernel panicked: {reason}{console}")
        }
        Fate::PoweredOff => "the guest has powered itself off".to_owned(),
        Fate::Ended { said: None } => "QEMU has ended, without a word".to_owned(),
        Fate::Ended { said: Some(said) } => format!("QEMU has ended: {said}"),
        Fate::Replaced => "another guest has taken the place of this one".to_owned(),
        Fate::Contended => {
            "another netlab is at work on the guest: it saves, ends or replaces it".to_owned()
        }
    }
}

impl Hint for GuestLost {
    fn hint(&self) -> String {
        let netlab = match self.name.as_str() {
            Name::DEFAULT => "netlab".to_owned(),
            name => format!("netlab --name {name}"),
        };
        match self.fate {
            Fate::Runs { .. } => {
                format!(
                    "look around with `{netlab} shell`; `{netlab} reset` swaps it for a fresh one"
                )
            }
            Fate::Replaced => format!("`{netlab} shell` goes into the one that is there now"),
            Fate::Contended => "`netlab status` shows which guests are up".to_owned(),
            Fate::Panicked { .. } | Fate::PoweredOff | Fate::Ended { .. } => format!(
                "`{netlab} logs` shows all that it said; `{netlab} reset` starts a fresh one"
            ),
        }
    }

    fn exit(&self) -> Exit {
        self.lost.exit()
    }

    fn way_on(&self) -> Option<String> {
        self.lost.way_on()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::SshError;

    #[test]
    fn a_lost_connection_is_told_with_the_guests_fate_and_the_way_on() {
        let again = "`netlab logs` shows all that it said; `netlab reset` starts a fresh one";
        let look = "look around with `netlab shell`; `netlab reset` swaps it for a fresh one";
        let console = "\nthe last lines of the guest's console:\n  panic".to_owned();
        for (fate, words, hint) in [
            (
                Fate::Panicked { reason: "a crash".to_owned(), console },
                "the guest's kernel panicked: a crash\nthe last lines of the guest's console:\n  panic",
                again,
            ),
            (Fate::PoweredOff, "the guest has powered itself off", again),
            (Fate::Ended { said: None }, "QEMU has ended, without a word", again),
            (
                Fate::Ended { said: Some("terminating on signal 15".to_owned()) },
                "QEMU has ended: terminating on signal 15",
                again,
            ),
            (
                Fate::Replaced,
                "another guest has taken the place of this one",
                "`netlab shell` goes into the one that is there now",
            ),
            (
                Fate::Contended,
                "another netlab is at work on the guest: it saves, ends or replaces it",
                "`netlab status` shows which guests are up",
            ),
            (Fate::Runs { killed: None }, "the guest itself runs on", look),
            (
                Fate::Runs { killed: Some("Killed process 7 (dropbear)".to_owned()) },
                "the guest itself runs on, and its kernel says: Killed process 7 (dropbear)",
                look,
            ),
        ] {
            let (doing, cause) = ("running a step".to_owned(), "its server is gone".to_owned());
            let lost = SshError::Lost { doing, cause }.into();
            let error = GuestLost { name: Name::DEFAULT.to_owned(), lost, fate };
            let lost =
                "the connection to the guest was lost while running a step: its server is gone";
            assert_eq!(error.to_string(), format!("{lost}; {words}"));
            assert_eq!((error.hint().as_str(), error.exit()), (hint, Exit::ConnectionLost));
        }
    }
}
