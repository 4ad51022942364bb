//! The signature of Debian's index (`InRelease`, an OpenPGP clear-signed text).
//!
//! Only keys compiled in are believed. The index bears several signatures (of the archive's keys
//! of two releases and of the release team); one good one of a known key is enough, as for apt.

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey};
use pgp::packet::Signature;
use pgp::types::KeyDetails;

use super::error::ArchiveError;
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

/// Checks the signature of a clear-signed index and returns the text it covers.
pub fn verify(url: &str, index: &str, keys: &[SignedPublicKey]) -> Result<String, ArchiveError> {
    let (message, _headers) =
        CleartextSignedMessage::from_string(index).map_err(|error| ArchiveError::Malformed {
            url: url.to_owned(),
            reason: format!("no clear-signed text: {error}"),
        })?;
    let text = message.signed_text();
    let signatures = message.signatures();
    let good = |signature: &&Signature| keys.iter().any(|key| fits(signature, key, &text));
    if signatures.iter().any(|signature| good(&signature)) {
        return Ok(text.replace("\r\n", "\n"));
    }
    let known = signatures
        .iter()
        .any(|signature| keys.iter().any(|key| names(signature, key)));
    Err(if known {
        ArchiveError::BadSignature {
            url: url.to_owned(),
        }
    } else {
        let signers: Vec<String> = signatures.iter().map(signer).collect();
        ArchiveError::UnknownSigner {
            url: url.to_owned(),
            signers: signers.join(", "),
        }
    })
}

/// Says whether the key, or a subkey that the key vouches for, made the signature.
fn fits(signature: &Signature, key: &SignedPublicKey, text: &str) -> bool {
    signature.verify(&key.primary_key, text.as_bytes()).is_ok()
        || key.public_subkeys.iter().any(|subkey| {
            subkey.verify_bindings(&key.primary_key).is_ok()
                && subkey
                    .signatures
                    .iter()
                    .any(|binding| binding.key_flags().sign())
                && signature.verify(&subkey.key, text.as_bytes()).is_ok()
        })
}

fn names(signature: &Signature, key: &SignedPublicKey) -> bool {
    let named = |candidate: &dyn KeyDetails| {
        signature
            .issuer_fingerprint()
            .contains(&&candidate.fingerprint())
            || signature
                .issuer_key_id()
                .contains(&&candidate.legacy_key_id())
    };
    named(&key.primary_key) || key.public_subkeys.iter().any(|subkey| named(&subkey.key))
}

fn signer(signature: &Signature) -> String {
    let fingerprint = signature
        .issuer_fingerprint()
        .first()
        .map(ToString::to_string);
    let key_id = || signature.issuer_key_id().first().map(ToString::to_string);
    fingerprint
        .or_else(key_id)
        .unwrap_or_else(|| "an unnamed key".to_owned())
}
