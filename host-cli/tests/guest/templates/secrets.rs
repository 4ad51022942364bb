//! What a template must not hold: the throw-away keys of the guest that it was made of, and those of
//! any instance.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::PrivateKey;

use super::Own;
use crate::running::read_until;
use crate::support::Netlab;

/// Bytes that are looked at together, beside an overlap.
const PIECE: usize = 1 << 20;

/// Bytes of an Ed25519 key, of either half.
const KEY_BYTES: usize = 32;

pub fn no_key_is_left(suite: &Netlab) {
    let own = Own::new(suite);
    let mut up = own.start(["--name", "a", "up", "--json"]);
    let started = r#""phase":"agent","state":"started""#;
    read_until(up.stdout.as_mut().expect("a pipe"), started);
    let mut keys = keys_of(&own.cache().join("templates/w"));
    assert!(up.wait_with_output().expect("it ends").status.success());
    own.up(&["--name", "b"]).by("clone");
    for name in ["a", "b"] {
        keys.extend(keys_of(&own.home().join("i").join(name)));
    }
    // Any host key in dropbear's own form: the kind's name, then 64 bytes.
    keys.push(("a host key".to_owned(), b"ssh-ed25519\0\0\0\x40".to_vec()));

    let template = own.templates().pop().expect("a template");
    let found =
        search(&template.join("ram"), &[("the kernel".to_owned(), b"Linux version ".to_vec())]);
    assert_eq!(found, ["the kernel"], "the search itself does not work");
    for name in ["ram", "state", "template.json"] {
        assert_eq!(search(&template.join(name), &keys), Vec::<String>::new(), "in {name}");
    }
}

/// What gives away a key of an instance, each with a name.
#[track_caller]
fn keys_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let name = |what: &str| format!("{what} of {}", folder.display());
    let text = fs::read_to_string(folder.join("id")).expect("the private key");
    let key = PrivateKey::from_openssh(&text).expect("a private key");
    let pair = key.key_data().ed25519().expect("an Ed25519 key");
    let armour = text.lines().nth(2).expect("its second line");
    let pinned = fs::read_to_string(folder.join("known_hosts")).expect("the host key");
    let host = pinned.split_whitespace().nth(2).expect("its third word");
    let blob = STANDARD.decode(host).expect("base64");
    let line = key.public_key().to_openssh().expect("a line");
    let public = line.split_whitespace().nth(1).expect("its second word");
    vec![
        (name("the private key"), pair.private.as_ref().to_vec()),
        (name("the private key's file"), armour.as_bytes().to_vec()),
        (name("the public key"), pair.public.as_ref().to_vec()),
        (name("the authorized line"), public.as_bytes().to_vec()),
        (name("the host key"), blob[blob.len() - KEY_BYTES..].to_vec()),
        (name("the pinned line"), host.as_bytes().to_vec()),
    ]
}

/// The names of those needles that are in a file.
#[track_caller]
pub fn search(path: &Path, needles: &[(String, Vec<u8>)]) -> Vec<String> {
    let overlap = needles.iter().map(|(_, needle)| needle.len()).max().expect("needles");
    let mut file = File::open(path).expect("the file");
    let (mut bytes, mut found) = (Vec::new(), Vec::new());
    loop {
        let count = file.by_ref().take(PIECE as u64).read_to_end(&mut bytes).expect("a read");
        if count == 0 {
            return found;
        }
        if bytes.iter().any(|&byte| byte != 0) {
            for (name, needle) in needles {
                if holds(&bytes, needle) && !found.contains(name) {
                    found.push(name.clone());
                }
            }
        }
        bytes.drain(..bytes.len().saturating_sub(overlap));
    }
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(place) = rest.iter().position(|&byte| byte == needle[0]) {
        if rest[place..].starts_with(needle) {
            return true;
        }
        rest = &rest[place + 1..];
    }
    false
}
