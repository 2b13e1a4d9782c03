//! Values of the settings about sign-ins.

use super::value::ValueError;

/// Where new secrets go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretPlace {
    /// Into the key store of the operating system; into an encrypted file if this machine has none.
    Automatic,
    /// Into the key store or nowhere.
    KeyStore,
    /// Into the encrypted file.
    File,
}

/// The app key that whoever builds the program may put in (`VAULTFS_BUILD_DROPBOX_APP_KEY`). No secret: it names the app.
pub(super) const BUILT_IN_APP_KEY: &str = match option_env!("VAULTFS_BUILD_DROPBOX_APP_KEY") {
    Some(key) => key,
    None => "",
};

impl SecretPlace {
    /// The word in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::KeyStore => "key-store",
            Self::File => "file",
        }
    }
}

pub(super) fn secret_place(word: &str) -> Result<SecretPlace, ValueError> {
    [SecretPlace::Automatic, SecretPlace::KeyStore, SecretPlace::File]
        .into_iter()
        .find(|place| place.as_str() == word.trim())
        .ok_or(ValueError::Refused("expected automatic, key-store or file"))
}

pub(super) fn app_key(text: &str) -> Result<String, ValueError> {
    let key = text.trim();
    if key.len() <= 64 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(key.to_owned());
    }
    Err(ValueError::Refused("expected an app key: letters and digits, from the app's page"))
}

/// Only its shape; who connects to it looks closer.
pub(super) fn base_url(text: &str) -> Result<String, ValueError> {
    let url = text.trim();
    let is_address =
        ["https://", "http://"].iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    if url.is_empty() || (is_address && !url.contains(|letter: char| letter.is_whitespace() || letter.is_control())) {
        return Ok(url.to_owned());
    }
    Err(ValueError::Refused("expected https://HOST[:PORT], or http://127.0.0.1:PORT on this machine"))
}

pub(super) fn ports(text: &str) -> Result<Vec<u16>, ValueError> {
    text.split(',')
        .map(|port| port.trim().parse().map_err(|_| ValueError::Refused("expected ports such as \"47853, 47854\"")))
        .collect()
}

pub(super) fn shown_ports(ports: &[u16]) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}
