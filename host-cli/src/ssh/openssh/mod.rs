//! Logging in as the user's OpenSSH would: by its configuration, its `known_hosts`, its agent and its
//! identity files. OpenSSH's own programs are asked for what they know best (`ssh -G`, `ssh-keygen
//! -F`, `ssh -W`), so that netlab has no second opinion about their files.

mod error;
#[cfg(test)]
mod hostile;
mod known;
mod program;
mod prove;
mod settings;

pub use error::OpenSshError;
pub use known::{Judgement, Known};
pub use program::{Jump, resolve};
pub use prove::log_in;
pub use settings::Settings;
