//! What of a vault can be changed after it was added: one word per setting, as on the command line and in the registry.

use std::fmt;
use std::str::FromStr;

use super::error::RegistryError;
use super::layout::LayoutKind;
use super::model::{DropboxConfig, MountSettings, ProviderKind, Vault};
use super::registry::Registry;
use super::root;
use crate::config::value::RawValue;
use crate::types::VaultId;

/// A setting of a vault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VaultSetting {
    /// What its folders mean.
    Layout,
    /// [`MountSettings::path`].
    MountPath,
    /// [`MountSettings::auto`].
    MountAuto,
    /// [`MountSettings::read_only`].
    MountReadOnly,
    /// [`MountSettings::allow_other`].
    MountAllowOther,
    /// [`Vault::path`].
    Path,
    /// Where it lies in its cloud.
    Folder,
}

impl VaultSetting {
    /// All of them, for help texts.
    pub const ALL: [Self; 7] = [
        Self::Layout,
        Self::MountPath,
        Self::MountAuto,
        Self::MountReadOnly,
        Self::MountAllowOther,
        Self::Path,
        Self::Folder,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Layout => "layout",
            Self::MountPath => "mount.path",
            Self::MountAuto => "mount.auto",
            Self::MountReadOnly => "mount.read_only",
            Self::MountAllowOther => "mount.allow_other",
            Self::Path => "path",
            Self::Folder => "folder",
        }
    }

    /// What it is and takes, for help texts.
    pub fn about(self) -> &'static str {
        match self {
            Self::Layout => "what its folders mean: plain, music or cases",
            Self::MountPath => "the folder where the daemon mounts it when it starts",
            Self::MountAuto => "whether the daemon does so: true or false",
            Self::MountReadOnly => "whether mounts of it refuse writes: true or false",
            Self::MountAllowOther => "whether other users of this machine may use mounts of it: true or false",
            Self::Path => {
                "local vaults: where its folder is now; clouds: where you mount it, for programs such as Muze"
            }
            Self::Folder => "clouds: where its folder is now, such as /Apps/Muze/MyVault",
        }
    }
}

impl fmt::Display for VaultSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no setting of a vault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("\"{0}\" is no setting of a vault; there are: {known}", known = VaultSetting::ALL.map(VaultSetting::as_str).join(", "))]
pub struct UnknownSetting(pub String);

impl FromStr for VaultSetting {
    type Err = UnknownSetting;

    fn from_str(word: &str) -> Result<Self, UnknownSetting> {
        Self::ALL.into_iter().find(|setting| setting.as_str() == word).ok_or_else(|| UnknownSetting(word.to_owned()))
    }
}

impl Registry {
    /// Changes a setting of a vault; `None`: as a new vault has it. Looks at no disk and at no cloud.
    pub fn change(&mut self, id: VaultId, setting: VaultSetting, value: Option<&str>) -> Result<&Vault, RegistryError> {
        let vault = self.known(id)?;
        let (provider, mut own) = (vault.provider, vault.vaultfs.clone());
        let refused = |reason| RegistryError::ConfigRefused {
            field: setting.as_str(),
            value: value.unwrap_or_default().to_owned(),
            reason,
        };
        let switch = |usual: bool| match value {
            Some(word) => RawValue::Text(word.to_owned()).switch().map_err(|_| refused("expected true or false")),
            None => Ok(usual),
        };
        let usual = MountSettings::default();
        match setting {
            VaultSetting::Layout => {
                let word = value.unwrap_or(LayoutKind::default().as_str());
                own.layout = word.parse().map_err(|_| refused("expected plain, music or cases"))?;
            }
            VaultSetting::MountPath => own.mount.path = value.map(root::normal_form).transpose()?,
            VaultSetting::MountAuto => own.mount.auto = switch(usual.auto)?,
            VaultSetting::MountReadOnly => own.mount.read_only = switch(usual.read_only)?,
            VaultSetting::MountAllowOther => own.mount.allow_other = switch(usual.allow_other)?,
            VaultSetting::Path => return self.update_path(id, value.unwrap_or_default()),
            VaultSetting::Folder => {
                if provider != ProviderKind::Dropbox {
                    return Err(refused("only a vault in Dropbox lies in such a folder; see `path`"));
                }
                let folder = value.ok_or_else(|| refused("a vault in Dropbox has one"))?.trim_matches('/');
                let folder_path = if folder.is_empty() { String::new() } else { format!("/{folder}") };
                return self.update_location(id, Some(DropboxConfig { folder_path }), None);
            }
        }
        self.update_settings(id, own)
    }
}

#[cfg(test)]
#[path = "setting_tests.rs"]
mod tests;
