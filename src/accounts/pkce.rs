//! What proves that whoever redeems an authorization code is who asked for it (RFC 7636), and what proves that an answer belongs to
//! the question (RFC 6749, `state`). Both are new for every attempt and never leave memory.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use sha2::{Digest, Sha256};

use crate::types::Secret;

/// Random bytes of a verifier: 43 characters, as many as the standard asks for at least.
const VERIFIER_BYTES: usize = 32;

/// Random bytes of a state.
const STATE_BYTES: usize = 16;

/// A fresh code verifier.
pub(super) fn verifier() -> Secret {
    let bytes: [u8; VERIFIER_BYTES] = rand::random();
    Secret::new(BASE64URL.encode(bytes))
}

/// The challenge of a verifier, method S256.
pub(super) fn challenge(verifier: &Secret) -> String {
    BASE64URL.encode(Sha256::digest(verifier.expose().as_bytes()))
}

/// A fresh state.
pub(super) fn state() -> Secret {
    let bytes: [u8; STATE_BYTES] = rand::random();
    Secret::new(BASE64URL.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn verifiers_and_states_are_long_and_never_the_same() {
        let verifiers = [verifier(), verifier()];
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-._~".contains(letter);
        assert!(verifiers.iter().all(|one| one.expose().len() == 43 && one.expose().chars().all(allowed)));
        assert_ne!(verifiers[0], verifiers[1]);
        let states = [state(), state()];
        assert!(states.iter().all(|one| one.expose().len() == 22));
        assert_ne!(states[0], states[1]);
    }
}
