//! Secrets in a file, for machines without a key store: encrypted with XChaCha20-Poly1305, each under its own random nonce, bound to its
//! name.
//!
//! The key is a file of the same user in another folder, or a credential of the service manager. That keeps secrets out of backups and
//! copies of one folder, and no more: whoever can read this user's files can read both. It is called weak storage for that reason.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Asking, FilePlaces, Result, SecretError, SecretStore};
use crate::config::private_file::{self, ChangeLock};
use crate::types::Secret;

/// Separates this use of the key from every other.
const KEY_CONTEXT: &str = "vaultfs 2026 encrypted sign-ins";

/// Version of the file.
const VERSION: u32 = 1;

/// Bytes of a key file.
const KEY_BYTES: usize = 32;

/// Bytes of a nonce.
const NONCE_BYTES: usize = 24;

/// The encrypted file.
pub struct FileStore {
    places: FilePlaces,
}

/// The file, as JSON.
#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    secrets: BTreeMap<String, Sealed>,
}

/// One encrypted secret, in base64.
#[derive(Serialize, Deserialize)]
struct Sealed {
    nonce: String,
    data: String,
}

impl FileStore {
    /// The file at these places. Touches nothing.
    pub fn new(places: FilePlaces) -> Self {
        Self { places }
    }

    fn document(&self) -> Result<Option<Document>> {
        let Some(text) = private_file::read(&self.places.secrets).map_err(failed("read", &self.places.secrets))? else {
            return Ok(None);
        };
        match serde_json::from_slice::<Document>(&text) {
            Ok(document) if document.version == VERSION => Ok(Some(document)),
            Ok(_) | Err(_) => Err(self.damaged()),
        }
    }

    fn write(&self, document: &Document) -> Result<()> {
        let text = serde_json::to_vec_pretty(document)
            .map_err(|error| failed("write", &self.places.secrets)(io::Error::other(error)))?;
        private_file::replace(&self.places.secrets, &text, false).map_err(failed("write", &self.places.secrets))
    }

    /// The key, if there is one.
    fn key(&self) -> Result<Option<XChaCha20Poly1305>> {
        let path = self.places.credential.as_ref().unwrap_or(&self.places.key);
        let Some(bytes) = private_file::read(path).map_err(failed("read", path))? else { return Ok(None) };
        let bytes = Zeroizing::new(bytes);
        if bytes.len() < KEY_BYTES {
            return Err(SecretError::KeyMissing { key: path.clone() });
        }
        Ok(Some(cipher(&bytes)))
    }

    fn new_key(&self) -> Result<XChaCha20Poly1305> {
        let bytes: Zeroizing<[u8; KEY_BYTES]> = Zeroizing::new(rand::random());
        private_file::replace(&self.places.key, &*bytes, false).map_err(failed("write", &self.places.key))?;
        Ok(cipher(&*bytes))
    }

    fn key_missing(&self) -> SecretError {
        SecretError::KeyMissing { key: self.places.credential.clone().unwrap_or_else(|| self.places.key.clone()) }
    }

    fn damaged(&self) -> SecretError {
        SecretError::Damaged { path: self.places.secrets.clone() }
    }

    fn lock(&self) -> Result<ChangeLock> {
        ChangeLock::acquire(&self.places.secrets).map_err(failed("lock", &self.places.secrets))
    }
}

impl SecretStore for FileStore {
    fn get(&self, name: &str, _asking: Asking) -> Result<Option<Secret>> {
        let Some(document) = self.document()? else { return Ok(None) };
        let Some(sealed) = document.secrets.get(name) else { return Ok(None) };
        let cipher = self.key()?.ok_or_else(|| self.key_missing())?;
        open(&cipher, name, sealed).map(Some).ok_or_else(|| self.damaged())
    }

    fn set(&self, name: &str, _label: &str, secret: &Secret, _asking: Asking) -> Result<()> {
        let _held = self.lock()?;
        // What cannot be opened any more is no reason to refuse a new sign-in: it is the way out.
        let old = match self.document() {
            Ok(old) => old,
            Err(SecretError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        let mut document = old.unwrap_or(Document { version: VERSION, secrets: BTreeMap::new() });
        let cipher = match self.key()? {
            Some(cipher) => cipher,
            None if self.places.credential.is_some() => return Err(self.key_missing()),
            None => {
                document.secrets.clear();
                self.new_key()?
            }
        };
        document.secrets.insert(name.to_owned(), seal(&cipher, name, secret)?);
        self.write(&document)
    }

    fn delete(&self, name: &str, _asking: Asking) -> Result<()> {
        let _held = self.lock()?;
        let Some(mut document) = self.document()? else { return Ok(()) };
        if document.secrets.remove(name).is_some() { self.write(&document) } else { Ok(()) }
    }
}

fn cipher(key: &[u8]) -> XChaCha20Poly1305 {
    let derived = Zeroizing::new(blake3::derive_key(KEY_CONTEXT, key));
    XChaCha20Poly1305::new((&*derived).into())
}

fn seal(cipher: &XChaCha20Poly1305, name: &str, secret: &Secret) -> Result<Sealed> {
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let message = Payload { msg: secret.expose().as_bytes(), aad: name.as_bytes() };
    let data = cipher
        .encrypt(&XNonce::from(nonce), message)
        .map_err(|_no_detail| SecretError::Failed { why: "the secret cannot be encrypted".to_owned() })?;
    Ok(Sealed { nonce: BASE64.encode(nonce), data: BASE64.encode(data) })
}

fn open(cipher: &XChaCha20Poly1305, name: &str, sealed: &Sealed) -> Option<Secret> {
    let nonce: [u8; NONCE_BYTES] = BASE64.decode(&sealed.nonce).ok()?.try_into().ok()?;
    let data = BASE64.decode(&sealed.data).ok()?;
    let message = Payload { msg: &data, aad: name.as_bytes() };
    let text = Zeroizing::new(cipher.decrypt(&XNonce::from(nonce), message).ok()?);
    std::str::from_utf8(&text).ok().map(Secret::new)
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SecretError {
    let path: PathBuf = path.to_owned();
    move |source| SecretError::File { operation, path, source }
}
