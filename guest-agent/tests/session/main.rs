//! Sessions with the real agent, each in a world of its own: fresh network, mount and process
//! namespaces on this machine, with its own `/run` and its own piece of the cgroup tree.
//!
//! They need root and a kernel with these namespaces; without them they fail and say so.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the programs that it tests"
)]

mod checks;
mod client;
mod commands;
mod held;
mod lifetime;
mod plans;
mod topology;
mod world;
