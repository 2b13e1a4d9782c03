//! Which vault and which entry a request means.

use std::path::Path;
use std::sync::Arc;

use crate::catalog::LocalRow;
use crate::control::protocol::{ErrorCode, Problem, Target};
use crate::daemon::blocking::blocking;
use crate::daemon::vault::OpenVault;
use crate::daemon::{Daemon, mounts, problems};

/// A place in an open vault.
pub(super) struct Located {
    /// The vault.
    pub(super) vault: Arc<OpenVault>,
    /// Path in it, without slashes at the ends; empty for the root.
    pub(super) path: String,
}

impl Located {
    /// What the local tree has there.
    pub(super) async fn row(&self) -> Result<LocalRow, Problem> {
        self.row_if_any().await?.ok_or_else(|| problems::no_entry(&self.vault.name(), &self.path))
    }

    /// As [`Located::row`], `None` if there is nothing.
    pub(super) async fn row_if_any(&self) -> Result<Option<LocalRow>, Problem> {
        let (vault, path) = (Arc::clone(&self.vault), self.path.clone());
        blocking(move || {
            vault
                .catalog
                .read(|view| view.local_at_path(&path))
                .map_err(|error| problems::catalog(&vault.name(), &error))
        })
        .await
    }
}

impl Daemon {
    /// The vault and path that a target means. Compares paths with the mount table by their letters; never looks at the disk,
    /// which might be a mount of our own.
    pub(super) async fn locate(self: &Arc<Self>, target: &Target) -> Result<Located, Problem> {
        let Some(path) = &target.path else {
            let vault = self.find(target.vault.as_deref()).await?;
            return Ok(Located { vault: self.open(&vault).await?, path: String::new() });
        };
        if !path.starts_with('/') {
            let vault = self.find(target.vault.as_deref()).await?;
            let inside = inside(path)?;
            return Ok(Located { vault: self.open(&vault).await?, path: inside });
        }
        let records = self.mounts.records();
        let Some((mount, inside)) = mounts::resolve(&records, |record| &record.dir, Path::new(path)) else {
            return Err(Problem::new(ErrorCode::OutsideVault, format!("{path} is in no mounted vault")).hint(
                "mount its vault with `vaultfs mount`, or name the vault with --vault and give a path inside of it",
            ));
        };
        let vault = self.find(Some(&mount.vault.to_string())).await?;
        if let Some(named) = &target.vault
            && self.find(Some(named)).await?.id != vault.id
        {
            return Err(Problem::new(ErrorCode::OutsideVault, format!("{path} is not in vault {named}"))
                .cause(format!("it is in vault {}", vault.name)));
        }
        Ok(Located { vault: self.open(&vault).await?, path: inside })
    }
}

/// A path in a vault in the form of the catalog.
fn inside(path: &str) -> Result<String, Problem> {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                return Err(Problem::new(ErrorCode::OutsideVault, format!("`{path}` may lead out of its vault"))
                    .hint("give the path without `..`"));
            }
            name => names.push(name),
        }
    }
    Ok(names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_a_vault_are_cleaned_and_cannot_leave_it() {
        assert_eq!(inside("./Cases//2026/").unwrap(), "Cases/2026");
        assert_eq!(inside(".").unwrap(), "");
        assert_eq!(inside("a/../../etc").unwrap_err().code, ErrorCode::OutsideVault);
    }
}
