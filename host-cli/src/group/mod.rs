//! Groups of guests: `seat-01`, `seat-02` and so on go by the name `seat`. The rule: a group is
//! nothing but the names of its members, so there is no record of it that could be wrong.

mod names;

use crate::context::Context;
use crate::error::Error;
use crate::instance::Name;

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
