//! macOS side of [`super::key_store`]: the login keychain.

use std::collections::HashMap;

use apple_native_keyring_store::keychain::Store;
use keyring_core::Entry;
use keyring_core::api::CredentialStoreApi;
use security_framework::base::Error as KeychainError;
use security_framework::os::macos::keychain::SecKeychain;

use super::key_store::{Backend, SERVICE, explain_common};
use super::{Result, SecretError};

/// Codes of the Security framework (`SecBase.h`).
const INTERACTION_NOT_ALLOWED: i32 = -25308;
const AUTHENTICATION_FAILED: i32 = -25293;
const USER_CANCELED: i32 = -128;
const NOT_AVAILABLE: i32 = -25291;
const NO_SUCH_KEYCHAIN: i32 = -25294;

/// The login keychain.
pub(super) struct System;

impl Backend for System {
    fn check_unlocked(&self, name: &str) -> Result<()> {
        // While this is held, what would open a window fails instead.
        let _silence = SecKeychain::disable_user_interaction().map_err(explain_keychain)?;
        match self.entry(name, "")?.get_password() {
            Ok(text) => {
                drop(crate::types::Secret::new(text));
                Ok(())
            }
            Err(keyring_core::Error::NoEntry) => Ok(()),
            Err(error) => Err(self.explain(error)),
        }
    }

    fn entry(&self, name: &str, _label: &str) -> Result<Entry> {
        let store = Store::new().map_err(|error| self.explain(error))?;
        store.build(SERVICE, name, None::<&HashMap<&str, &str>>).map_err(|error| self.explain(error))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that may grow")]
    fn explain(&self, error: keyring_core::Error) -> SecretError {
        match error {
            keyring_core::Error::PlatformFailure(cause) | keyring_core::Error::NoStorageAccess(cause) => {
                match cause.downcast::<KeychainError>() {
                    Ok(cause) => explain_keychain(*cause),
                    Err(cause) => SecretError::Failed { why: cause.to_string() },
                }
            }
            other => explain_common(other),
        }
    }
}

fn explain_keychain(error: KeychainError) -> SecretError {
    match error.code() {
        INTERACTION_NOT_ALLOWED => SecretError::Locked,
        AUTHENTICATION_FAILED | USER_CANCELED => SecretError::StaysLocked,
        NOT_AVAILABLE | NO_SUCH_KEYCHAIN => SecretError::Absent { why: "there is no login keychain".to_owned() },
        _ => SecretError::Failed { why: error.to_string() },
    }
}
