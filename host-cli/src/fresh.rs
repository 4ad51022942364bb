//! A clean guest for a lab: one that was used makes way for a fresh one, of the same name, port and
//! keys. The rule: what the user did in it is never thrown away without a yes.

use std::io;
use std::time::Instant;

use crate::context::Context;
use crate::error::{Error, Exit, Hint};
use crate::guest::{self, Guest};
use crate::instance::{LabLock, Use, usage};
use crate::provider::{Expendable, Status};
use crate::report::{Event, prompt};

/// The question whether the guest may go could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("can't ask on the terminal whether the guest may go")]
pub struct CantAsk(#[source] io::Error);

impl Hint for CantAsk {
    fn hint(&self) -> String {
        "give `--yes` to let it go".to_owned()
    }

    fn exit(&self) -> Exit {
        Exit::HostLacks
    }
}

/// What the user has said about it, and whether more can be asked.
#[derive(Debug, Clone, Copy)]
struct Wish {
    /// `--reset`.
    reset: bool,
    /// `--yes`.
    yes: bool,
    /// Whether somebody is there who can answer.
    can_ask: bool,
}

/// What becomes of the guest before a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// It is clean.
    RunAsIs,
    /// It makes way for a fresh one.
    Swap,
    /// The user is asked.
    Ask,
    /// It stays, with what the user did in it.
    Keep,
}

fn choose(used: Use, wish: Wish) -> Choice {
    match (used, wish) {
        (Use::Clean, _) => Choice::RunAsIs,
        (Use::Lab, _) | (Use::Own, Wish { reset: true, .. } | Wish { yes: true, .. }) => {
            Choice::Swap
        }
        (Use::Own, Wish { can_ask: true, .. }) => Choice::Ask,
        (Use::Own, Wish { can_ask: false, .. }) => Choice::Keep,
    }
}

/// A guest that is ready for a lab.
pub struct Fresh {
    /// The guest.
    pub guest: Guest,
    /// The right to run a lab in it.
    pub lock: LabLock,
    /// Whether it may make way for another one, such as a saved one.
    pub may_go: bool,
}

/// Brings a guest up for the lab of this id, and takes the right to run it there; `reset` is the user's
/// word that the guest need not stay.
///
/// # Errors
/// Another netlab runs a lab in it, or whatever keeps it from coming up.
pub async fn guest(context: &Context, lab: &str, reset: bool) -> Result<Fresh, Error> {
    let paths = context.paths()?;
    let is_ours = context.provider()?.machine().emulator().is_some();
    // Without a folder there is no guest; its start makes the folder.
    let lock = LabLock::acquire(&paths, Some(lab)).await?;
    // A machine of the user's is never swapped, so its state is nobody's question.
    let used = if is_ours && lock.is_some() { in_use(context).await? } else { Use::Clean };
    if reset && !is_ours {
        let text = "this machine is yours, so it stays as it is: only labs are cleared away";
        context.reporter.emit(Event::Note { text: text.to_owned() });
    }
    let interactive = context.terminal.is_interactive() && !context.options.json;
    let wish = Wish { reset, yes: context.options.yes, can_ask: interactive };
    let swap_wanted = match choose(used, wish) {
        Choice::RunAsIs => false,
        Choice::Swap => true,
        Choice::Ask => ask(context).await?,
        Choice::Keep => {
            let text = "you have worked in this guest, or let `ssh` into it, so it stays; `--reset` gives a \
                        clean one";
            context.reporter.emit(Event::Note { text: text.to_owned() });
            false
        }
    };
    let has_consent = swap_wanted && used == Use::Own;
    let expendable = if has_consent { Expendable::Any } else { Expendable::Unused };
    let swapped = if swap_wanted { swap(context, expendable).await? } else { None };
    let guest = match swapped {
        Some(guest) => {
            let text = "the guest was used: swapped it for a clean one";
            context.reporter.emit(Event::Note { text: text.to_owned() });
            guest
        }
        None => {
            let guest = Guest::up(context).await?;
            if has_consent && guest.endpoint.attached {
                let text = "a clean guest costs a whole boot here: only labs are cleared away; \
                            `netlab down` ends this guest";
                context.reporter.emit(Event::Note { text: text.to_owned() });
            }
            guest
        }
    };
    let lock = match lock {
        Some(lock) => lock,
        None => LabLock::acquire(&paths, Some(lab)).await?.ok_or_else(|| guest::not_up(context))?,
    };
    usage::mark_lab(&paths)?;
    // The user may have begun to work in it meanwhile.
    let may_go = is_ours && (has_consent || Use::of(&paths)? != Use::Own);
    Ok(Fresh { guest, lock, may_go })
}

/// Puts a fresh guest in the place of the one that is up, until its agent has said hello. `None`, and
/// nothing done, where that costs a whole boot, none is up, or it is not expendable. Whoever calls it holds the [`LabLock`].
///
/// # Errors
/// Whatever keeps the fresh one from coming up.
pub async fn swap(context: &Context, expendable: Expendable) -> Result<Option<Guest>, Error> {
    let begun = Instant::now();
    let provider = context.provider()?;
    let Some(emulator) = provider.machine().emulator() else { return Ok(None) };
    match emulator.swap(expendable, &context.cancel, &context.reporter).await? {
        Some(endpoint) => Guest::reach(context, endpoint, begun).await.map(Some),
        None => Ok(None),
    }
}

/// What has been done in the guest that is up; one that has died holds nothing any more.
///
/// # Errors
/// A file that can't be looked for, or a guest that can't be looked at.
pub async fn in_use(context: &Context) -> Result<Use, Error> {
    let used = Use::of(&context.paths()?)?;
    if used == Use::Own {
        let status = context.cancel.guard(context.provider()?.status(&context.reporter)).await?;
        return Ok(if matches!(status, Status::Up(_)) { used } else { Use::Clean });
    }
    Ok(used)
}

async fn ask(context: &Context) -> Result<bool, Error> {
    let name = &context.options.name;
    let question =
        format!("You have worked in guest `{name}`. Throw that away, and take a clean one?");
    confirm(context, question).await
}

/// Asks whether something may be done to a guest. Whoever calls it knows that somebody is there.
///
/// # Errors
/// [`CantAsk`], or an interruption.
pub async fn confirm(context: &Context, question: String) -> Result<bool, Error> {
    // On a thread of its own, so that Ctrl-C is heard: a read of the keyboard can't be called back.
    let answered = async {
        let answer = tokio::task::spawn_blocking(move || prompt::yes(&question)).await;
        Ok::<_, Error>(answer.map_err(io::Error::other).flatten().map_err(CantAsk)?)
    };
    context.cancel.guard(answered).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_work_goes_only_with_a_yes() {
        let wish = |reset, yes, can_ask| Wish { reset, yes, can_ask };
        let rows = [
            (wish(false, false, false), Choice::Keep),
            (wish(false, false, true), Choice::Ask),
            (wish(false, true, false), Choice::Swap),
            (wish(false, true, true), Choice::Swap),
            (wish(true, false, false), Choice::Swap),
            (wish(true, false, true), Choice::Swap),
        ];
        for (wish, own) in rows {
            assert_eq!(choose(Use::Clean, wish), Choice::RunAsIs, "{wish:?}");
            assert_eq!(choose(Use::Lab, wish), Choice::Swap, "{wish:?}");
            assert_eq!(choose(Use::Own, wish), own, "{wish:?}");
        }
    }
}
