//! Tests of whole lab files.

mod builtin;
mod hostile;
mod mistakes;
mod plan;
mod readme;
