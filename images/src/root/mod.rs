//! The guest's root: packages unpacked into a tree in memory, then made whole by the recipe.

mod accounts;
mod assemble;
mod deb;
mod error;
mod tree;
mod trim;

pub use assemble::{assemble, unpack_all};
pub use error::RootError;
pub use tree::{Node, Tree};
