//! The signature of Debian's index (`InRelease`, an OpenPGP clear-signed text).
//!
//! Only keys compiled in are believed. The index bears several signatures (of the archive's keys
//! of two releases and of the release team); one good one of a known key is enough, as for apt.

use std::time::{self, SystemTime};

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::Signature;
use pgp::types::{Duration, KeyDetails};

use super::error::ArchiveError;
use super::release::CLOCK_TOLERANCE;
use crate::files;

/// Returns Debian's archive keys that the crate carries.
pub fn debian_keys() -> Result<Vec<SignedPublicKey>, ArchiveError> {
    let mut keys = Vec::new();
    for (name, bytes) in files::KEYS {
        let malformed = |error: pgp::errors::Error| ArchiveError::Malformed {
            url: format!("images/keys/{name}"),
            reason: error.to_string(),
        };
        for key in SignedPublicKey::from_bytes_many(*bytes).map_err(malformed)? {
            keys.push(key.map_err(malformed)?);
        }
    }
    Ok(keys)
}

/// Why a signature is not believed, from the one that got least far on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Flaw {
    /// It names no key that is known.
    UnknownSigner,
    /// Texts can be made to fit its digest.
    WeakDigest,
    /// The text is not the one that was signed.
    DoesNotFit,
    /// It fits, and it or its key is not valid at this time.
    OutOfTime,
}

/// Checks the signature of a clear-signed index and returns the text it covers.
pub fn verify(
    url: &str,
    index: &str,
    keys: &[SignedPublicKey],
    now: SystemTime,
) -> Result<String, ArchiveError> {
    let (message, _headers) =
        CleartextSignedMessage::from_string(index).map_err(|error| ArchiveError::Malformed {
            url: url.to_owned(),
            reason: format!("no clear-signed text: {error}"),
        })?;
    let text = message.signed_text();
    let mut furthest = Flaw::UnknownSigner;
    for signature in message.signatures() {
        for key in keys {
            match judge(signature, key, &text, now) {
                Ok(()) => return Ok(text.replace("\r\n", "\n")),
                Err(flaw) => furthest = furthest.max(flaw),
            }
        }
    }
    let url = url.to_owned();
    Err(match furthest {
        Flaw::UnknownSigner => {
            let signers: Vec<String> = message.signatures().iter().map(signer).collect();
            let signers = if signers.is_empty() { "nobody".to_owned() } else { signers.join(", ") };
            ArchiveError::UnknownSigner { url, signers }
        }
        Flaw::WeakDigest => ArchiveError::WeakSignature { url },
        Flaw::DoesNotFit => ArchiveError::BadSignature { url },
        Flaw::OutOfTime => ArchiveError::StaleSignature { url },
    })
}

/// Says whether the key, or a subkey that the key vouches for, made the signature.
fn judge(
    signature: &Signature,
    key: &SignedPublicKey,
    text: &str,
    now: SystemTime,
) -> Result<(), Flaw> {
    if !names(signature, key) {
        return Err(Flaw::UnknownSigner);
    }
    // Against older digests collisions can be made.
    let strong = matches!(
        signature.hash_alg(),
        Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
    );
    if !strong {
        return Err(Flaw::WeakDigest);
    }
    let mut in_time = is_made_and_valid(signature, now) && is_alive(key, own_signatures(key), now);
    if signature.verify(&key.primary_key, text.as_bytes()).is_err() {
        let subkey = key.public_subkeys.iter().find(|subkey| {
            subkey.verify_bindings(&key.primary_key).is_ok()
                && subkey.signatures.iter().any(|binding| binding.key_flags().sign())
                && signature.verify(&subkey.key, text.as_bytes()).is_ok()
        });
        let subkey = subkey.ok_or(Flaw::DoesNotFit)?;
        in_time = in_time && is_alive(&subkey.key, subkey.signatures.iter(), now);
    }
    if in_time { Ok(()) } else { Err(Flaw::OutOfTime) }
}

/// The signatures in which a key says things of itself.
fn own_signatures(key: &SignedPublicKey) -> impl Iterator<Item = &Signature> {
    let of_users = key.details.users.iter().flat_map(|user| &user.signatures);
    key.details.direct_signatures.iter().chain(of_users).filter(|said| names(said, key))
}

/// Whether a signature was made before now, and wants to be believed still.
fn is_made_and_valid(signature: &Signature, now: SystemTime) -> bool {
    let Some(created) = signature.created().map(SystemTime::from) else { return false };
    created <= now + CLOCK_TOLERANCE
        && !is_over(created, signature.signature_expiration_time(), now)
}

/// Whether a key has not expired; the newest of what is said of it counts.
fn is_alive<'a>(
    key: &dyn KeyDetails,
    said: impl Iterator<Item = &'a Signature>,
    now: SystemTime,
) -> bool {
    let newest = said.max_by_key(|signature| signature.created());
    let lifetime = newest.and_then(Signature::key_expiration_time);
    !is_over(key.created_at().into(), lifetime, now)
}

/// Whether a lifetime is over; one of 0 s has no end (RFC 9580, 5.2.3.13 and 5.2.3.18).
fn is_over(since: SystemTime, lifetime: Option<Duration>, now: SystemTime) -> bool {
    lifetime.is_some_and(|it| it.as_secs() > 0 && since + time::Duration::from(it) < now)
}

fn names(signature: &Signature, key: &SignedPublicKey) -> bool {
    let named = |candidate: &dyn KeyDetails| {
        signature.issuer_fingerprint().contains(&&candidate.fingerprint())
            || signature.issuer_key_id().contains(&&candidate.legacy_key_id())
    };
    named(&key.primary_key) || key.public_subkeys.iter().any(|subkey| named(&subkey.key))
}

fn signer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(ToString::to_string);
    let key_id = || signature.issuer_key_id().first().map(ToString::to_string);
    fingerprint.or_else(key_id).unwrap_or_else(|| "an unnamed key".to_owned())
}

#[cfg(test)]
pub(crate) mod tests;
