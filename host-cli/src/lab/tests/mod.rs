//! Tests of whole lab files.

mod builtin;
