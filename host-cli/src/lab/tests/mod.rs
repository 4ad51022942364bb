//! Tests of whole lab files.
