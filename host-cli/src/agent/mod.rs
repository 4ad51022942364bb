//! The agent's side of the host: ships it into the guest, says hello, and carries requests and
//! events over one SSH channel.

pub mod binary;
mod clear;
mod error;
mod session;
mod ship;

pub use clear::clear;
pub use error::SessionError;
pub use session::Session;
pub use ship::remove;
