//! What a connection offers to its server, and how it notices that the server is gone.

use std::borrow::Cow;
use std::time::Duration;

use russh::keys::Algorithm;
use russh::{Preferred, cipher, client, kex};

/// Silence after which the server is asked whether it is still there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// Questions without an answer after which the connection is given up, 20 s with the interval: a
/// network may falter, and a host that is busy with its disk may keep a guest waiting for 6 s. That
/// QEMU has ended shows at once.
const KEEPALIVE_MOST: usize = 9;

/// Bytes that the guest may send before it waits for us: large, since every wait costs a round
/// trip through an emulated network card.
const WINDOW_BYTES: u32 = 4 << 20;

/// What is common to all connections.
pub(super) fn usual() -> client::Config {
    client::Config {
        window_size: WINDOW_BYTES,
        keepalive_interval: Some(KEEPALIVE_INTERVAL),
        keepalive_max: KEEPALIVE_MOST,
        nodelay: true,
        ..client::Config::default()
    }
}

/// What is cheap under emulation: Curve25519 and Ed25519 take the fewest instructions, and ChaCha20
/// with Poly1305 was no slower there than AES with a MAC of its own.
pub(super) fn frugal() -> client::Config {
    client::Config {
        preferred: Preferred {
            kex: Cow::Borrowed(&[
                kex::CURVE25519,
                kex::CURVE25519_PRE_RFC_8731,
                kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
            ]),
            key: Cow::Borrowed(&[Algorithm::Ed25519]),
            cipher: Cow::Borrowed(&[cipher::CHACHA20_POLY1305, cipher::AES_256_CTR]),
            ..Preferred::DEFAULT
        },
        ..usual()
    }
}
