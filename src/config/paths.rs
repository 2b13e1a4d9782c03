//! Where vaultfs keeps what: the XDG folders, the same on every platform.
//!
//! ```text
//! config  config.toml   vaults.json   accounts.json
//! state   <vault id>/   catalog.db staging/ history/     precious
//! cache   <vault id>/   blocks/                          may be deleted while no daemon runs
//! runtime control.sock
//! ```
//! Finding a folder changes nothing; [`Paths::create`] and [`Paths::create_runtime`] make them, for their owner only.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::env::{self, Environment};
use super::private_file::create_folder;
use crate::types::VaultId;

/// Our folder under the XDG bases.
const PROGRAM: &str = "vaultfs";
/// Muze's folder under its configuration base, and its registry.
const MUZE_REGISTRY: &str = "com.krondor.muze/vaults.json";
/// Longest path of a socket that every platform takes (`sun_path` of macOS, less the final NUL).
const SOCKET_PATH_MAX_BYTES: usize = 103;

/// Why there is no place for something.
#[derive(Debug, thiserror::Error)]
pub enum PathsError {
    /// No folder can be derived.
    #[error("no folder for {what}: neither ${variable} nor $HOME is an absolute path; set one of them")]
    Homeless {
        /// For what.
        what: &'static str,
        /// The variable that would help.
        variable: &'static str,
    },
    /// A folder could not be made.
    #[error("cannot make the folder {path}")]
    NotMade {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Something else is where the folder should be.
    #[error("{path} is not a folder; move it away")]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// Somebody else's folder.
    #[error("{path} belongs to another user (uid {owner}); remove it, or set ${variable} to a folder of your own", variable = env::XDG_RUNTIME_DIR)]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// The path of the socket is too long for the system.
    #[error("the path of the control socket is longer than {limit} bytes: {path}; set ${variable} to a shorter folder", variable = env::VAULTFS_RUNTIME_DIR)]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
}

/// The folders of this user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paths {
    config: PathBuf,
    state: PathBuf,
    cache: PathBuf,
    runtime: PathBuf,
    muze: Vec<PathBuf>,
    uid: u32,
}

impl Paths {
    /// Finds the folders; makes none.
    pub fn find(environment: &Environment) -> Result<Self, PathsError> {
        let home = environment.path(env::HOME);
        let base = |variable: &'static str, below_home: &str, what: &'static str| {
            let found = environment.path(variable).map(Path::to_owned);
            found.or_else(|| home.map(|home| home.join(below_home))).ok_or(PathsError::Homeless { what, variable })
        };
        let folder = |own: &'static str, variable: &'static str, below_home: &str, what: &'static str| match environment
            .path(own)
        {
            Some(own) => Ok(own.to_owned()),
            None => Ok(base(variable, below_home, what)?.join(PROGRAM)),
        };
        let muze = [
            environment.path(env::XDG_CONFIG_HOME).map(Path::to_owned).or(home.map(|home| home.join(".config"))),
            home.map(|home| home.join("Library/Application Support")),
        ];
        let paths = Self {
            config: folder(env::VAULTFS_CONFIG_DIR, env::XDG_CONFIG_HOME, ".config", "settings")?,
            state: folder(env::VAULTFS_STATE_DIR, env::XDG_STATE_HOME, ".local/state", "state")?,
            cache: folder(env::VAULTFS_CACHE_DIR, env::XDG_CACHE_HOME, ".cache", "caches")?,
            runtime: runtime(environment),
            muze: muze.into_iter().flatten().map(|base| base.join(MUZE_REGISTRY)).collect(),
            uid: environment.uid,
        };
        let socket = paths.control_socket();
        if socket.as_os_str().len() > SOCKET_PATH_MAX_BYTES {
            return Err(PathsError::SocketPathTooLong { path: socket, limit: SOCKET_PATH_MAX_BYTES });
        }
        Ok(paths)
    }

    /// Folder of settings.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Folder of state: precious.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Folder of caches: may be deleted.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Folder of the control socket.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// Settings.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// The registry of vaults.
    pub fn registry_file(&self) -> PathBuf {
        self.config.join("vaults.json")
    }

    /// Accounts of clouds; no secrets.
    pub fn accounts_file(&self) -> PathBuf {
        self.config.join("accounts.json")
    }

    /// Encrypted sign-ins, on machines without a key store,
    pub fn secrets_file(&self) -> PathBuf {
        self.state.join("secrets.json")
    }

    /// and their key, in another folder.
    pub fn secrets_key_file(&self) -> PathBuf {
        self.config.join("secrets.key")
    }

    /// The key that the service manager hands over instead, if it does.
    pub fn secrets_credential(&self, environment: &Environment) -> Option<PathBuf> {
        let credential = environment.path(env::CREDENTIALS_DIRECTORY)?.join("vaultfs-secrets-key");
        credential.exists().then_some(credential)
    }

    /// Where Muze may keep its registry, likeliest first.
    pub fn muze_registries(&self) -> &[PathBuf] {
        &self.muze
    }

    /// Precious state of a vault.
    pub fn vault_state(&self, id: VaultId) -> PathBuf {
        self.state.join(id.to_string())
    }

    /// The catalog of a vault.
    pub fn vault_catalog(&self, id: VaultId) -> PathBuf {
        self.vault_state(id).join("catalog.db")
    }

    /// Bytes of a vault that are not yet in the cloud.
    pub fn vault_staging(&self, id: VaultId) -> PathBuf {
        self.vault_state(id).join("staging")
    }

    /// Replaced and deleted versions of a vault.
    pub fn vault_history(&self, id: VaultId) -> PathBuf {
        self.vault_state(id).join("history")
    }

    /// Rebuildable files of a vault.
    pub fn vault_cache(&self, id: VaultId) -> PathBuf {
        self.cache.join(id.to_string())
    }

    /// Cached blocks of a vault.
    pub fn vault_blocks(&self, id: VaultId) -> PathBuf {
        self.vault_cache(id).join("blocks")
    }

    /// Where the daemon listens.
    pub fn control_socket(&self) -> PathBuf {
        self.runtime.join("control.sock")
    }

    /// Makes the folders of settings, state and caches.
    pub fn create(&self) -> Result<(), PathsError> {
        [&self.config, &self.state, &self.cache].into_iter().try_for_each(|folder| self.private_folder(folder))
    }

    /// Makes the folder of the socket, and refuses one that others could have prepared.
    pub fn create_runtime(&self) -> Result<(), PathsError> {
        self.private_folder(&self.runtime)
    }

    /// Makes the folders of a vault.
    pub fn create_vault(&self, id: VaultId) -> Result<(), PathsError> {
        let folders = [self.vault_staging(id), self.vault_history(id), self.vault_blocks(id)];
        folders.iter().try_for_each(|folder| self.private_folder(folder))
    }

    /// A folder that is there, ours, and open to nobody else. A link in its place is refused: it may lead anywhere.
    fn private_folder(&self, folder: &Path) -> Result<(), PathsError> {
        let not_made = |source| PathsError::NotMade { path: folder.to_owned(), source };
        match create_folder(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {} // judged below
            Err(error) => return Err(not_made(error)),
        }
        let found = fs::symlink_metadata(folder).map_err(not_made)?;
        if found.uid() != self.uid {
            return Err(PathsError::NotOurs { path: folder.to_owned(), owner: found.uid() });
        }
        if !found.is_dir() {
            return Err(PathsError::NotAFolder { path: folder.to_owned() });
        }
        if found.mode() & 0o077 != 0 {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(not_made)?;
        }
        Ok(())
    }
}

/// `$XDG_RUNTIME_DIR/vaultfs`; without it the folder that a login session would have set, else one of our own among the
/// temporary files. The name of the last one can be guessed, which is why [`Paths::create_runtime`] checks its owner.
fn runtime(environment: &Environment) -> PathBuf {
    if let Some(own) = environment.path(env::VAULTFS_RUNTIME_DIR) {
        return own.to_owned();
    }
    if let Some(base) = environment.path(env::XDG_RUNTIME_DIR) {
        return base.join(PROGRAM);
    }
    let session = environment.run_user.join(environment.uid.to_string());
    if fs::symlink_metadata(&session).is_ok_and(|found| found.is_dir() && found.uid() == environment.uid) {
        return session.join(PROGRAM);
    }
    environment.path(env::TMPDIR).unwrap_or(Path::new("/tmp")).join(format!("{PROGRAM}-{}", environment.uid))
}

#[cfg(test)]
#[path = "paths_tests.rs"]
mod tests;
