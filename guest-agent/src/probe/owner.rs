//! `process`: a background command of the lab runs, and its network namespace is this one.

use netlab_protocol::Place;

use super::{Outcome, Words};
use crate::error::Error;
use crate::lab::Lab;
use crate::netns;

/// Says what is expected.
pub fn words(name: &str, place: &Place) -> Words {
    let look = match place {
        Place::Root => "ps -e".to_owned(),
        Place::Namespace(namespace) => format!("ip netns pids {namespace}"),
    };
    Words::new(
        format!("`{name}` runs in {place}"),
        format!("`{name}` does not run in {place}"),
        look,
    )
}

/// Tries once.
pub fn attempt(lab: &Lab, place: &Place, name: &str) -> Result<Outcome, Error> {
    let Some(background) = lab.backgrounds.get(name) else {
        return Ok(Outcome::Unknown(format!("the lab has started no `{name}`")));
    };
    let pid = background.pid;
    let inode = netns::inode_of_process(pid).filter(|_| background.is_running().unwrap_or(false));
    let Some(inode) = inode else {
        return Ok(Outcome::No(format!("process {pid} has ended")));
    };
    let is_here = inode == netns::inode(place)?;
    let where_to = if is_here { place.to_string() } else { format!("net:[{inode}]") };
    Ok(Outcome::of(is_here, format!("process {pid} is in {where_to}")))
}
