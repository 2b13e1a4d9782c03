//! The provider of a vault, with its decorators: the one place that asks which provider it is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::clouds::Clouds;
use super::problems;
use crate::accounts::AccountTokens;
use crate::control::protocol::{ErrorCode, Problem};
use crate::provider::local::{LocalConfig, LocalProvider, MarkerPolicy};
use crate::provider::{Deadlines, FaultControl, Faulty, Limited, Provider};
use crate::vaults::{ProviderKind, SimulatedLink, Vault};

/// Opens the provider of a vault whose precious state lies in `state`. Connects to nobody. Blocks for the disk.
pub(super) fn open(
    vault: &Vault,
    state: &Path,
    clouds: &Clouds,
) -> Result<(Arc<dyn Provider>, Option<AccountTokens>), Problem> {
    match vault.provider {
        ProviderKind::Local => {
            // Once it was synced here, a root without its marker is a missing disk, never a new vault.
            let was_synced = vault.last_synced.is_some() && state.join("catalog.db").exists();
            let marker = if was_synced { MarkerPolicy::Expect } else { MarkerPolicy::Create };
            let config = LocalConfig::new(vault.id, &vault.path, state, marker);
            let local = LocalProvider::open(config).map_err(|error| problems::provider(&error))?;
            let provider: Arc<dyn Provider> = match &vault.vaultfs.link {
                Some(link) => Arc::new(Limited::new(behind(local, *link), Deadlines::default())),
                None => Arc::new(Limited::new(local, Deadlines::default())),
            };
            Ok((provider, None))
        }
        ProviderKind::Dropbox => {
            let (dropbox, tokens) = clouds.open_dropbox(vault, state)?;
            Ok((Arc::new(Limited::new(dropbox, Deadlines::default())), Some(tokens)))
        }
        ProviderKind::Icloud => {
            let what = format!("this version cannot open vault {}: it lies in {}", vault.name, vault.provider);
            Err(Problem::new(ErrorCode::Unsupported, what)
                .hint("local vaults and Dropbox work; iCloud comes with a later version"))
        }
    }
}

/// A folder behind a network link that is not there: nothing is read directly any more.
fn behind(local: LocalProvider, link: SimulatedLink) -> Faulty<LocalProvider> {
    let control = FaultControl::new(0);
    control.set_latency(Duration::from_millis(link.latency_ms));
    control.set_bandwidth(link.bytes_per_second);
    Faulty::new(local, control).with_capabilities(|capabilities| capabilities.direct = false)
}
