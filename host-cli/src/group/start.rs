//! The start of a group: one guest alone, then the rest side by side. The rule: whatever a start
//! makes for all later ones (image, accelerator's trial, template) is made by the first, so that the
//! others neither make it again nor wait for each other.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use futures::stream::{self, StreamExt as _};

use super::error::Failure;
use super::member::{self, Told};
use super::{GroupError, each, memory, width};
use crate::cancel::Interrupted;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::instance::Name;
use crate::provider::qemu::room;
use crate::provider::{Endpoint, Status, Tier};
use crate::report::{Event, Member, MemberState};

/// How many guests may fail before the first has come up: what befell so many befalls them all, and
/// each costs a deadline.
const TRIES: usize = 3;

/// Starts the guests of a group that are not up, each by `one`, and attaches to those that are. When
/// one fails the rest come up all the same.
///
/// # Errors
/// [`GroupError::OnePort`]; [`GroupError::Memory`] unless `force`d; [`GroupError::Failed`] once all
/// the others are up; [`Interrupted`], which ends those that are half-started and no other.
pub async fn up(
    context: &Context,
    names: &[Name],
    force: bool,
    one: impl AsyncFn(&Context) -> Result<Endpoint, Error>,
) -> Result<Exit, Error> {
    if let Some(port) = context.options.port {
        return Err(GroupError::OnePort { port, count: names.len() }.into());
    }
    let down = down(context, names).await?;
    let check = |count, tier| {
        if force {
            return Ok(());
        }
        memory::check(count, tier, room::available_memory_mib()?).map_err(Error::from)
    };
    // Until one is up, the quickest way is taken to be the one that works.
    check(down.len(), context.options.start.unwrap_or(Tier::Clone))?;
    let start = Start::new(context, names, one);
    let mut pending: Vec<usize> = (0..names.len()).collect();
    let mut tier = None;
    for &index in down.iter().take(TRIES) {
        pending.retain(|&other| other != index);
        tier = start.one(index).await;
        if tier.is_some() || context.cancel.is_cancelled() {
            break;
        }
    }
    let left = pending.iter().filter(|index| down.contains(index)).count();
    // How the first one was started is how the others will be, and what each will take.
    let fits = tier.map_or(Ok(()), |tier| check(left, tier));
    let hopeless = tier.is_none() && !down.is_empty();
    if hopeless || fits.is_err() {
        pending.retain(|index| !down.contains(index));
    }
    stream::iter(pending).map(|index| start.one(index)).buffer_unordered(width()).count().await;
    let ended = start.end();
    fits?;
    ended
}

/// Which of `names` are not up.
async fn down(context: &Context, names: &[Name]) -> Result<Vec<usize>, Error> {
    let look = |guest: Context| async move {
        // A guest whose state can't be read is tried, and told of then.
        let status = guest.cancel.guard(guest.provider()?.status(&guest.reporter)).await;
        Ok::<_, Error>(matches!(status, Ok(Status::Up(_))))
    };
    let mut looks = std::pin::pin!(each(context, names, look).enumerate());
    let mut down = Vec::new();
    while let Some((index, up)) = looks.next().await {
        if !up? {
            down.push(index);
        }
    }
    Ok(down)
}

/// How to reach a guest whose start was interrupted, if it had come as far as being up.
async fn came_up(context: &Context) -> Option<Endpoint> {
    match context.provider().ok()?.status(&context.reporter).await {
        Ok(Status::Up(endpoint)) => Some(Endpoint { attached: false, ..endpoint }),
        Ok(Status::Starting | Status::Down) | Err(_) => None,
    }
}

/// A group that is being started.
struct Start<'a, One> {
    context: &'a Context,
    names: &'a [Name],
    one: One,
    begun: Instant,
    told: Told,
    starting: Cell<usize>,
    members: RefCell<Vec<Member>>,
    failures: RefCell<Vec<(usize, Failure)>>,
}

impl<'a, One: AsyncFn(&Context) -> Result<Endpoint, Error>> Start<'a, One> {
    fn new(context: &'a Context, names: &'a [Name], one: One) -> Self {
        let members = names.iter().map(|name| Member::not_started(name.as_str())).collect();
        Self {
            context,
            names,
            one,
            begun: Instant::now(),
            told: Told::default(),
            starting: Cell::new(0),
            members: RefCell::new(members),
            failures: RefCell::default(),
        }
    }

    /// Starts one guest, or attaches to it, and tells of it. Returns how it was started.
    async fn one(&self, index: usize) -> Option<Tier> {
        if self.context.cancel.is_cancelled() {
            return None;
        }
        let name = &self.names[index];
        let mut guest = self.context.named(name);
        guest.reporter = member::reporter(name, &self.context.reporter, &self.told);
        self.starting.set(self.starting.get() + 1);
        self.tell();
        let begun = Instant::now();
        let outcome = (self.one)(&guest).await;
        self.starting.set(self.starting.get() - 1);
        let outcome = match outcome {
            Err(_) if self.context.cancel.is_cancelled() => Ok(came_up(&guest).await?),
            other => other,
        };
        let tier = outcome.as_ref().ok().and_then(|endpoint| endpoint.tier);
        let member = match outcome {
            Ok(endpoint) => Member::up(&endpoint, begun.elapsed()),
            Err(error) => {
                let (message, hint) = (error.to_string(), error.hint());
                let member = Member::failed(name.as_str(), begun.elapsed(), &message);
                let failure = Failure { name: name.clone(), message, hint };
                self.failures.borrow_mut().push((index, failure));
                member
            }
        };
        self.members.borrow_mut()[index] = member.clone();
        self.context.reporter.emit(Event::Member { member });
        self.tell();
        tier
    }

    fn count(&self, counted: impl Fn(MemberState) -> bool) -> usize {
        self.members.borrow().iter().filter(|member| counted(member.state)).count()
    }

    fn up(&self) -> usize {
        self.count(|state| matches!(state, MemberState::Up | MemberState::WasUp))
    }

    fn tell(&self) {
        self.context.reporter.emit(Event::GroupProgress {
            up: self.up(),
            starting: self.starting.get(),
            failed: self.count(|state| state == MemberState::Failed),
            total: self.members.borrow().len(),
            since_start: self.begun.elapsed(),
        });
    }

    /// Tells what came of all of them.
    fn end(self) -> Result<Exit, Error> {
        let (up, took) = (self.up(), self.begun.elapsed());
        let members = self.members.into_inner();
        let total = members.len();
        self.context.reporter.emit(Event::GroupEnded { members, took });
        if self.context.cancel.is_cancelled() {
            let name = &self.context.options.name;
            let text = format!(
                "{up} of {total} guests are up and stay; `netlab down --name {name}` ends them"
            );
            self.context.reporter.emit(Event::Note { text });
            return Err(Interrupted.into());
        }
        let mut failures = self.failures.into_inner();
        if failures.is_empty() {
            return Ok(Exit::Good);
        }
        failures.sort_by_key(|(index, _)| *index);
        let failures = failures.into_iter().map(|(_, failure)| failure).collect();
        Err(GroupError::Failed { failures, total }.into())
    }
}
