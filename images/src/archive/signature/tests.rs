//! Signatures of keys that the tests make: good ones, and each that must not be believed.

use super::*;
use pgp::composed::{
    EncryptionCaps, KeyType, SecretKeyParamsBuilder, SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{Fingerprint, Password, Tag, Timestamp};

const URL: &str = "http://mirror.test/InRelease";
const TEXT: &str = "Codename: trixie\n- dashes\nSHA256:\n 00 1 a\n";

/// A key with a subkey, as Debian's archive has one.
pub(crate) fn key() -> SignedSecretKey {
    key_of(KeyType::Ed25519Legacy)
}

fn key_of(kind: KeyType) -> SignedSecretKey {
    let subkey = SubkeyParamsBuilder::default()
        .key_type(KeyType::Ed25519Legacy)
        .can_sign(true)
        .can_encrypt(EncryptionCaps::None)
        .build()
        .unwrap();
    SecretKeyParamsBuilder::default()
        .key_type(kind)
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
    signed_text(key, TEXT)
}

/// A text as such a key signs it.
pub(crate) fn signed_text(key: &SignedSecretKey, text: &str) -> String {
    let password = Password::empty();
    let message =
        CleartextSignedMessage::sign(rand::thread_rng(), text, &key.primary_key, &password);
    armored(&message.unwrap())
}

fn verified(index: &str, known: &[SignedPublicKey]) -> Result<String, String> {
    verify(URL, index, known, SystemTime::now()).map_err(|error| error.to_string())
}

/// Signs the text as told: by which digest, and with which further words of the signature.
fn signed_with(key: &SignedSecretKey, digest: HashAlgorithm, said: Vec<SubpacketData>) -> String {
    let signer = &key.primary_key;
    let mut config =
        SignatureConfig::from_key(rand::thread_rng(), signer, SignatureType::Text).unwrap();
    config.hash_alg = digest;
    config.hashed_subpackets = subpackets(signer.fingerprint(), said);
    let message = CleartextSignedMessage::new(TEXT, config, signer, &Password::empty());
    armored(&message.unwrap())
}

fn subpackets(signer: Fingerprint, said: Vec<SubpacketData>) -> Vec<Subpacket> {
    let said = said.into_iter().chain([SubpacketData::IssuerFingerprint(signer)]);
    said.map(|data| Subpacket::regular(data).unwrap()).collect()
}

/// The public half, of which its owner says that it lives so long.
fn living(key: &SignedSecretKey, lifetime: Duration) -> SignedPublicKey {
    let (signer, user) = (&key.primary_key, &key.details.users[0].id);
    let mut config =
        SignatureConfig::from_key(rand::thread_rng(), signer, SignatureType::CertPositive).unwrap();
    let said = vec![
        SubpacketData::SignatureCreationTime(Timestamp::now()),
        SubpacketData::KeyExpirationTime(lifetime),
    ];
    config.hashed_subpackets = subpackets(signer.fingerprint(), said);
    let password = Password::empty();
    let public = signer.public_key();
    let said = config.sign_certification(signer, public, &password, Tag::UserId, user).unwrap();
    let mut key = key.to_public_key();
    key.details.users[0].signatures = vec![said];
    key
}

#[test]
fn a_text_signed_by_a_known_key_or_its_subkey_is_believed() {
    let key = key();
    let known = [key.to_public_key()];
    let expected = TEXT;
    assert_eq!(verified(&signed(&key), &known).unwrap(), expected);
    let by_subkey = CleartextSignedMessage::sign(
        rand::thread_rng(),
        TEXT,
        &key.secret_subkeys[0].key,
        &Password::empty(),
    );
    assert_eq!(verified(&armored(&by_subkey.unwrap()), &known).unwrap(), expected);
}

#[test]
fn altered_texts_and_unknown_signers_are_refused_in_words() {
    let (key, stranger) = (key(), key());
    let known = [key.to_public_key()];
    let altered = signed(&key).replace("trixie", "trixle");
    assert_eq!(
        verified(&altered, &known).unwrap_err(),
        "the signature of the index http://mirror.test/InRelease does not fit its text"
    );
    let signer = stranger.primary_key.fingerprint();
    assert_eq!(
        verified(&signed(&stranger), &known).unwrap_err(),
        format!(
            "the index http://mirror.test/InRelease is signed by no known key (signed by \
             {signer})"
        )
    );
    let error = verified(TEXT, &known).unwrap_err();
    assert!(error.contains("is not readable: no clear-signed text: "), "{error}");
}

#[test]
fn a_signature_on_a_digest_that_can_be_forged_is_refused() {
    // The library signs such a digest with no other kind of key.
    let key = key_of(KeyType::Rsa(2048));
    let known = [key.to_public_key()];
    let said = || vec![SubpacketData::SignatureCreationTime(Timestamp::now())];
    assert_eq!(verified(&signed_with(&key, HashAlgorithm::Sha512, said()), &known).unwrap(), TEXT);
    assert_eq!(
        verified(&signed_with(&key, HashAlgorithm::Sha1, said()), &known).unwrap_err(),
        "the signature of the index http://mirror.test/InRelease rests on a digest that can be \
         forged"
    );
}

#[test]
fn signatures_and_keys_out_of_their_time_are_refused() {
    let key = key();
    let known = [key.to_public_key()];
    let refusal = "the signature of the index http://mirror.test/InRelease, or its key, has expired \
                   or is from the future";
    let (hour, day) = (Duration::from_secs(3600), 86_400);
    let now = Timestamp::now().as_secs();
    let at = |seconds| SubpacketData::SignatureCreationTime(Timestamp::from_secs(seconds));
    let expires = SubpacketData::SignatureExpirationTime(hour);
    for (said, is_good) in [
        (vec![at(now - day)], true),
        (vec![at(now + day)], false),
        (vec![at(now), expires.clone()], true),
        (vec![at(now - day), expires], false),
        // Without a date it may be of any time.
        (vec![], false),
    ] {
        let index = signed_with(&key, HashAlgorithm::Sha256, said);
        let expected = if is_good { Ok(TEXT.to_owned()) } else { Err(refusal.to_owned()) };
        assert_eq!(verified(&index, &known), expected);
    }

    let index = signed(&key);
    let later = SystemTime::now() + time::Duration::from_secs(7200);
    let forever = [living(&key, Duration::from_secs(0))];
    assert_eq!(verify(URL, &index, &forever, later).unwrap(), TEXT);
    let an_hour = [living(&key, hour)];
    assert_eq!(verified(&index, &an_hour).unwrap(), TEXT);
    assert_eq!(verify(URL, &index, &an_hour, later).unwrap_err().to_string(), refusal);
}

#[test]
fn text_beside_the_signed_one_and_a_stripped_signature_are_refused() {
    let key = key();
    let known = [key.to_public_key()];
    let index = signed(&key);
    let begin = index.find("-----BEGIN PGP SIGNATURE").unwrap();
    let before = format!("Codename: evil\n\n{index}");
    let behind = format!("{index}\nCodename: evil\n");
    for refused in [&before, &behind, &index[..begin]] {
        let error = verified(refused, &known).unwrap_err();
        assert!(error.contains("is not readable: no clear-signed text"), "{error}");
    }
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
        if let Ok(text) = verify(URL, &index, &keys, SystemTime::now()) {
            panic!("it was believed: {text}");
        }
    });
}
