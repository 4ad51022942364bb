//! Tests of whole lab files.

mod builtin;
mod mistakes;
mod plan;
mod readme;
