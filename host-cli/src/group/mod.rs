//! Groups of guests: `seat-01`, `seat-02` and so on go by the name `seat`. The rule: a group is
//! nothing but the names of its members, so there is no record of it that could be wrong, and a verb
//! does in each of them what it does in one.

mod error;
mod member;
mod memory;
mod names;
mod start;

use std::future::Future;

use futures::stream::{self, Stream, StreamExt as _};

use crate::context::Context;
use crate::error::Error;
use crate::instance::Name;
use crate::report::Event;

use member::Told;

pub use error::GroupError;
pub use start::up;

/// The guests that `--name` means, in order: the instance of that name, else the members of the group
/// of that name, else the name itself, of which nothing is there yet.
///
/// # Errors
/// A name that can't be one, or instances that can't be listed.
pub fn members(context: &Context) -> Result<Vec<Name>, Error> {
    let name = context.name()?;
    let members = names::members(&name, &context.home.instances()?);
    Ok(if members.is_empty() { vec![name] } else { members })
}

/// The names of a group of `count` guests that goes by `--name`.
///
/// # Errors
/// A name that can't be one; [`GroupError::Taken`] if a single guest has it.
pub fn seats(context: &Context, count: u16) -> Result<Vec<Name>, Error> {
    let name = context.name()?;
    let instances = context.home.instances()?;
    if instances.contains(&name) {
        return Err(GroupError::Taken(name).into());
    }
    Ok(names::seats(&name, count, &instances)?)
}

/// Makes sure that `--name` means one guest, for a verb that can't be done in several.
///
/// # Errors
/// [`GroupError::Several`].
pub fn single(context: &Context) -> Result<(), Error> {
    let (group, members) = (context.name()?, members(context)?);
    match members.first() {
        Some(first) if *first != group => {
            let first = first.clone();
            Err(GroupError::Several { group, first, count: members.len() }.into())
        }
        Some(_) | None => Ok(()),
    }
}

/// Does `work` in each of `names`, several at a time, and yields what came of it in their order. Of
/// several guests only the notes are told, each with its guest's name.
pub fn each<'a, T, Work>(
    context: &'a Context,
    names: &'a [Name],
    work: impl Fn(Context) -> Work + 'a,
) -> impl Stream<Item = T> + 'a
where
    T: 'a,
    Work: Future<Output = T> + 'a,
{
    let told = Told::default();
    let guest = move |name| {
        let mut guest = context.named(name);
        if names.len() > 1 {
            guest.reporter = member::reporter(name, &context.reporter, &told);
        }
        work(guest)
    };
    stream::iter(names).map(guest).buffered(width())
}

/// What a verb ends with that failed in some of the guests: the first failure goes to `main`, the
/// others are told here.
///
/// # Errors
/// The first failure.
pub fn first_failure(context: &Context, failures: Vec<Error>) -> Result<(), Error> {
    let mut failures = failures.into_iter();
    let first = failures.next();
    for error in failures {
        context.reporter.emit(Event::Note { text: error.to_string() });
    }
    first.map_or(Ok(()), Err)
}

/// How many guests are worked on at a time: as many as the host has processors, since a guest that
/// starts keeps one busy.
fn width() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
