//! What OpenSSH's programs print comes from files that others may have written, and what a server greets
//! with from anybody: it is read, or refused in words, and nobody is let in by it.

use std::io::Cursor;
use std::path::Path;

use russh::keys::PublicKey;
use tokio::io::{join, sink};
use tokio::runtime::Builder;

use super::{Judgement, Known, Settings};
use crate::ssh::Connection;
use crate::ssh::test_server::Guest;

#[test]
fn whatever_openssh_prints_is_settings_or_refused_and_no_strange_key_becomes_known() {
    let shown: PublicKey = Guest::strange_key().public_key().clone();
    bolero::check!(name = "openssh").for_each(|bytes: &[u8]| {
        let said = String::from_utf8_lossy(bytes);
        match Settings::read(&said, "pi", None, Path::new("/home/ann")) {
            Ok(settings) => assert!(!settings.address.host.is_empty()),
            Err(error) => assert!(error.to_string().contains("`pi`"), "{error}"),
        }
        let mut known = Known::default();
        known.add(&said);
        assert!(known.judge(&shown) != Judgement::Right);
    });
}

#[test]
fn whatever_a_server_greets_with_is_no_connection() {
    // Its folder has the keys, and goes with it.
    let guest = Guest::new();
    let (endpoint, pinned) = (guest.endpoint(), guest.pinned());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    bolero::check!(name = "greeting").for_each(|bytes: &[u8]| {
        for before in [&b""[..], b"SSH-2.0-x\r\n"] {
            let stream = join(Cursor::new([before, bytes].concat()), sink());
            let connect = Connection::over(stream, &endpoint, &pinned);
            assert!(runtime.block_on(connect).is_err());
        }
    });
}
