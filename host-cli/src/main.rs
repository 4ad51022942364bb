//! `netlab`: parse, dispatch, print one failure, exit.

mod doctor;
mod error;
mod instance;
mod lab;
mod platform;
mod provider;
mod report;
mod ssh;
mod agent;
mod commands;

fn main() {}
