//! Linux side of [`super::key_store`]: the Secret Service of the session (GNOME Keyring, KWallet, KeePassXC), over D-Bus.

use std::collections::HashMap;
use std::error::Error as _;
use std::io;
use std::sync::Arc;

use keyring_core::Entry;
use keyring_core::api::CredentialStoreApi;
use secret_service::blocking::SecretService;
use secret_service::{EncryptionType, Error as ServiceError};
use zbus_secret_service_keyring_store::Store;

use super::key_store::{Backend, SERVICE, explain_common};
use super::{Result, SecretError};

/// The Secret Service of this session.
pub(super) struct System;

impl Backend for System {
    fn check_unlocked(&self, name: &str) -> Result<()> {
        // No secret crosses this connection, so it needs no encryption of its own.
        let service = SecretService::connect(EncryptionType::Plain).map_err(explain_service)?;
        let attributes = HashMap::from([("service", SERVICE), ("username", name)]);
        let found = service.search_items(attributes).map_err(explain_service)?;
        if !found.locked.is_empty() {
            return Err(SecretError::Locked);
        }
        if !found.unlocked.is_empty() {
            return Ok(());
        }
        match service.get_default_collection().and_then(|collection| collection.is_locked()) {
            Ok(false) => Ok(()),
            Ok(true) => Err(SecretError::Locked),
            Err(error) => Err(explain_service(error)),
        }
    }

    fn entry(&self, name: &str, label: &str) -> Result<Entry> {
        let store = Store::new().map_err(|error| self.explain(error))?;
        let modifiers = HashMap::from([("label", label)]);
        let modifiers = (!label.is_empty()).then_some(&modifiers);
        store.build(SERVICE, name, modifiers).map_err(|error| self.explain(error))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that may grow")]
    fn explain(&self, error: keyring_core::Error) -> SecretError {
        match error {
            keyring_core::Error::PlatformFailure(cause) | keyring_core::Error::NoStorageAccess(cause) => {
                match cause.downcast::<ServiceError>() {
                    Ok(cause) => explain_service(*cause),
                    Err(cause) => SecretError::Failed { why: cause.to_string() },
                }
            }
            other => explain_common(other),
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that may grow")]
fn explain_service(error: ServiceError) -> SecretError {
    let absent = |why: &str| SecretError::Absent { why: why.to_owned() };
    match error {
        ServiceError::Unavailable => absent("there is no session bus (D-Bus)"),
        ServiceError::NoResult => absent("it has no default keyring"),
        ServiceError::Locked => SecretError::Locked,
        ServiceError::Prompt | ServiceError::PromptDisconnected => SecretError::StaysLocked,
        ServiceError::Zbus(_) | ServiceError::ZbusFdo(_) => explain_bus(&error),
        other => SecretError::Failed { why: other.to_string() },
    }
}

/// A failure of the bus or of a call. D-Bus names its errors; the names are the protocol, whoever implements it.
fn explain_bus(error: &ServiceError) -> SecretError {
    let innermost = std::iter::successors(error.source(), |&error| error.source()).last();
    // The bus library shares its errors.
    let io = innermost.and_then(|error| {
        error.downcast_ref::<io::Error>().or_else(|| error.downcast_ref::<Arc<io::Error>>().map(AsRef::as_ref))
    });
    if io.is_some_and(|error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)) {
        return SecretError::Absent { why: "the session bus (D-Bus) cannot be reached".to_owned() };
    }
    let text = innermost.map_or_else(|| error.to_string(), ToString::to_string);
    let name = text.split(':').next().unwrap_or_default();
    match name.strip_prefix("org.freedesktop.DBus.Error.") {
        Some("ServiceUnknown" | "NameHasNoOwner") => {
            SecretError::Absent { why: "no program offers one (org.freedesktop.secrets)".to_owned() }
        }
        Some(spawn) if spawn.starts_with("Spawn") => {
            SecretError::Absent { why: "its program does not start".to_owned() }
        }
        Some("AccessDenied" | "AuthFailed") => SecretError::Denied { why: text },
        Some("NoReply" | "Disconnected") => {
            SecretError::Failed { why: "it went away before it had answered".to_owned() }
        }
        Some(_) | None if name == "org.freedesktop.Secret.Error.IsLocked" => SecretError::Locked,
        Some(_) | None => SecretError::Failed { why: text },
    }
}
