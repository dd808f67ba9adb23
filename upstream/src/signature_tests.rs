//! The keys and signatures below were created with Debian's `signify-openbsd` 31, whose signatures
//! have the same bytes as those of usign.

use data_encoding::BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;

use super::*;

/// Verifies a message that is passed in two chunks.
fn verify(
    keys: &[UsignPublicKey],
    message: &[u8],
    signature: &str,
) -> Result<KeyId, SignatureError> {
    let mut verification = Verification::begin(keys, signature)?;
    let (first, rest) = message.split_at(message.len() / 3);
    verification.update(first);
    verification.update(rest);
    verification.finish()
}

const KEY_A: &str = "untrusted comment: first test key public key\n\
    RWTiodvjHFYMX4qmyo1XawABV+oE6yBHuEcvJF2HntWP/4A+6dPNjIEx\n";
const KEY_B: &str = "untrusted comment: second test key public key\n\
    RWRsJdTtZ3nrvCF3y+ISrfFDDEIP8HDPUxHIrBwbdWljr7zgPpUHZTaO\n";
const MESSAGE: &[u8] = b"the signed text\n";
const BY_A: &str = "untrusted comment: verify with a.pub\n\
    RWTiodvjHFYMX9nivHYi/yY+oNsKkAjt7XNi9/2e0g54ri63Si3/kdggD05VmU1DnEAMHYK9TW0CbVoMvXFLzJ3IU5QycY1SuwY=\n";
const BY_B: &str = "untrusted comment: verify with b.pub\n\
    RWRsJdTtZ3nrvAoHnrxpLT8GtRRPQwVlO9MlBI2a4g7oiA9sx8F990YkXyTmqTgUoLDEyy/iiPSBI2Zkq1Y+szyF5qsaNUfBjwU=\n";

fn key(text: &str) -> UsignPublicKey {
    text.parse().unwrap()
}

fn text(id: [u8; 8], payload: &[u8]) -> String {
    let bytes = [b"Ed".as_slice(), &id, payload].concat();
    format!("untrusted comment: test\n{}\n", BASE64.encode(&bytes))
}

#[test]
fn a_signature_of_any_trusted_key_is_accepted_and_names_the_key() {
    let keys = [key(KEY_A), key(KEY_B)];
    assert_eq!(verify(&keys, MESSAGE, BY_A).unwrap().to_string(), "e2a1dbe31c560c5f");
    assert_eq!(verify(&keys, MESSAGE, BY_B).unwrap().to_string(), "6c25d4ed6779ebbc");
}

#[test]
fn the_error_names_the_untrusted_key_and_the_trusted_ones() {
    let error = verify(&[key(KEY_A)], MESSAGE, BY_B).unwrap_err();
    assert_eq!(error.to_string(), "signed by key 6c25d4ed6779ebbc, trusted are e2a1dbe31c560c5f");
    let error = verify(&[], MESSAGE, BY_B).unwrap_err();
    assert_eq!(error.to_string(), "signed by key 6c25d4ed6779ebbc, trusted are none");
}

#[test]
fn a_signature_of_other_content_is_refused() {
    let error = verify(&[key(KEY_A)], b"the signed text", BY_A).unwrap_err();
    assert!(matches!(error, SignatureError::Mismatch { .. }), "{error}");
}

#[test]
fn a_forged_key_id_does_not_make_a_key_trusted() {
    let other = SigningKey::from_bytes(&[7; 32]);
    let id = key(KEY_A).id().bytes();
    let forged = text(id, &other.sign(MESSAGE).to_bytes());
    let error = verify(&[key(KEY_A)], MESSAGE, &forged).unwrap_err();
    assert!(matches!(error, SignatureError::Mismatch { .. }), "{error}");
}

#[test]
fn two_keys_with_the_same_id_are_both_tried() {
    let id = key(KEY_A).id().bytes();
    let other = SigningKey::from_bytes(&[7; 32]);
    let twin = key(&text(id, other.verifying_key().as_bytes()));
    assert!(verify(&[twin, key(KEY_A)], MESSAGE, BY_A).is_ok());
}

#[test]
fn the_base64_line_alone_is_a_key() {
    let line = KEY_A.lines().last().unwrap();
    assert_eq!(key(line), key(KEY_A));
}

#[test]
fn the_error_of_an_invalid_key_says_why() {
    let short = BASE64.encode(&[b"Ed".as_slice(), &[0; 39]].concat());
    let other = BASE64.encode(&[b"RS", &[0; 40][..]].concat());
    let weak = text([0; 8], &[&[1_u8][..], &[0; 31]].concat());
    for (text, problem) in [
        ("", "no base64 line"),
        ("untrusted comment: x\n", "no base64 line"),
        ("untrusted comment: x\n!!!\n", "base64 is bad"),
        (&short, "41 bytes instead of 42"),
        (&other, "algorithm is not ed25519"),
        (&weak, "accepts anybody's signatures"),
        (BY_A, "74 bytes instead of 42"),
        (&format!("{KEY_A}{KEY_B}"), "more than a comment"),
        (&"A".repeat(5000), "too long"),
    ] {
        let error = UsignPublicKey::parse(text).unwrap_err().to_string();
        assert!(error.contains(problem), "{text:?}: {error}");
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics_and_never_verifies(text in ".{0,200}") {
        let _ = UsignPublicKey::parse(&text);
        prop_assert!(verify(&[key(KEY_A)], MESSAGE, &text).is_err());
    }

    #[test]
    fn any_changed_byte_of_a_signature_is_refused(at in 0_usize..74, by in 1_u8..=255) {
        let mut bytes = BASE64.decode(BY_A.lines().last().unwrap().as_bytes()).unwrap();
        bytes[at] ^= by;
        prop_assert!(verify(&[key(KEY_A)], MESSAGE, &BASE64.encode(&bytes)).is_err());
    }

    #[test]
    fn a_key_verifies_its_own_signatures(seed: [u8; 32], id: [u8; 8], message: Vec<u8>) {
        let signer = SigningKey::from_bytes(&seed);
        let public = key(&text(id, signer.verifying_key().as_bytes()));
        let signature = text(id, &signer.sign(&message).to_bytes());
        prop_assert_eq!(verify(&[public], &message, &signature).unwrap(), KeyId::from(id));
    }
}
