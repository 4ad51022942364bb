//! The signature of Debian's index (`InRelease`, an OpenPGP clear-signed text).
//!
//! Only keys compiled in are believed. The index bears several signatures (of the archive's keys
//! of two releases and of the release team); one good one of a known key is enough, as for apt.

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
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
    let known = signatures.iter().any(|signature| keys.iter().any(|key| names(signature, key)));
    Err(if known {
        ArchiveError::BadSignature { url: url.to_owned() }
    } else {
        let signers: Vec<String> = signatures.iter().map(signer).collect();
        ArchiveError::UnknownSigner { url: url.to_owned(), signers: signers.join(", ") }
    })
}

/// Says whether the key, or a subkey that the key vouches for, made the signature.
fn fits(signature: &Signature, key: &SignedPublicKey, text: &str) -> bool {
    // Against older digests collisions can be made.
    let strong = matches!(
        signature.hash_alg(),
        Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
    );
    if !strong {
        return false;
    }
    signature.verify(&key.primary_key, text.as_bytes()).is_ok()
        || key.public_subkeys.iter().any(|subkey| {
            subkey.verify_bindings(&key.primary_key).is_ok()
                && subkey.signatures.iter().any(|binding| binding.key_flags().sign())
                && signature.verify(&subkey.key, text.as_bytes()).is_ok()
        })
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
mod tests {
    use super::*;
    use pgp::composed::{
        EncryptionCaps, KeyType, SecretKeyParamsBuilder, SignedSecretKey, SubkeyParamsBuilder,
    };
    use pgp::types::Password;

    const URL: &str = "http://mirror.test/InRelease";
    const TEXT: &str = "Codename: trixie\n- dashes\nSHA256:\n 00 1 a\n";

    fn key() -> SignedSecretKey {
        let subkey = SubkeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .can_sign(true)
            .can_encrypt(EncryptionCaps::None)
            .build()
            .unwrap();
        SecretKeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            .can_encrypt(EncryptionCaps::None)
            .primary_user_id("Archive <archive@mirror.test>".into())
            .subkeys(vec![subkey])
            .build()
            .unwrap()
            .generate(rand::thread_rng())
            .unwrap()
    }

    fn armored(message: &CleartextSignedMessage) -> String {
        message.to_armored_string(Default::default()).unwrap()
    }

    fn signed(key: &SignedSecretKey) -> String {
        let password = Password::empty();
        let message =
            CleartextSignedMessage::sign(rand::thread_rng(), TEXT, &key.primary_key, &password);
        armored(&message.unwrap())
    }

    #[test]
    fn a_text_signed_by_a_known_key_or_its_subkey_is_believed() {
        let key = key();
        let known = [key.to_public_key()];
        let expected = TEXT;
        assert_eq!(verify(URL, &signed(&key), &known).unwrap(), expected);
        let by_subkey = CleartextSignedMessage::sign(
            rand::thread_rng(),
            TEXT,
            &key.secret_subkeys[0].key,
            &Password::empty(),
        );
        assert_eq!(verify(URL, &armored(&by_subkey.unwrap()), &known).unwrap(), expected);
    }

    #[test]
    fn altered_texts_and_unknown_signers_are_refused_in_words() {
        let (key, stranger) = (key(), key());
        let known = [key.to_public_key()];
        let altered = signed(&key).replace("trixie", "trixle");
        assert_eq!(
            verify(URL, &altered, &known).unwrap_err().to_string(),
            "the signature of the index http://mirror.test/InRelease does not fit its text"
        );
        let signer = stranger.primary_key.fingerprint();
        assert_eq!(
            verify(URL, &signed(&stranger), &known).unwrap_err().to_string(),
            format!(
                "the index http://mirror.test/InRelease is signed by no known key (signed by \
                 {signer})"
            )
        );
        let error = verify(URL, TEXT, &known).unwrap_err().to_string();
        assert!(error.contains("is not readable: no clear-signed text: "), "{error}");
    }

    #[test]
    fn the_keys_are_those_that_debian_publishes() {
        let fingerprints: Vec<String> =
            debian_keys().unwrap().iter().map(|key| key.fingerprint().to_string()).collect();
        assert_eq!(
            fingerprints,
            [
                "04b54c3cdca79751b16bc6b5225629df75b188bd",
                "41587f7db8c774bccf131416762f67a0b2c39de4",
                "b8b80b5b623eab6ad8775c45b7c5d7d6350947f8",
                "4d64fec119c2029067d6e791f8d2585b8783d481",
            ]
        );
    }

    #[test]
    fn any_text_is_refused_that_no_known_key_has_signed() {
        let keys = debian_keys().unwrap();
        bolero::check!(name = "signature").for_each(|bytes: &[u8]| {
            let index = String::from_utf8_lossy(bytes);
            if let Ok(text) = verify(URL, &index, &keys) {
                panic!("it was believed: {text}");
            }
        });
    }
}
