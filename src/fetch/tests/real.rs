//! The fetcher between a real provider (a folder) and a store.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::fake::*;
use crate::catalog::Version;
use crate::content::{FetchError, Urgency};
use crate::fetch::{BlockFetcher, FetchConfig};
use crate::provider::local::{LocalConfig, LocalProvider, MarkerPolicy};
use crate::provider::{Change, EntryBody, Provider};
use crate::types::{ByteRange, ContentHash, HashKind, VaultId};

async fn version_of(provider: &dyn Provider, name: &str) -> Version {
    let mut cursor = None;
    loop {
        let page = provider.changes(cursor.as_ref()).await.unwrap();
        for change in page.changes {
            if let Change::Upsert(entry) = change
                && entry.name.as_str() == name
                && let EntryBody::File { revision, size, hash, .. } = entry.body
            {
                return Version { rid: entry.id, revision, size, hash };
            }
        }
        assert!(page.has_more, "{name} is not listed");
        cursor = Some(page.cursor);
    }
}

fn provider(state: &Path, root: &Path) -> Arc<dyn Provider> {
    let vault = VaultId(uuid::Uuid::from_u128(7));
    let config = LocalConfig { watch: false, ..LocalConfig::new(vault, root, state, MarkerPolicy::Create) };
    Arc::new(LocalProvider::open(config).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_a_folder_arrives_and_an_edited_one_is_gone() {
    let (state, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let size = 3 * MIB + 4_321;
    std::fs::write(root.path().join("take.wav"), pattern(ByteRange::new(0, size))).unwrap();
    let provider = provider(state.path(), root.path());
    provider.root().await.unwrap();
    let listed = version_of(&*provider, "take.wav").await;
    let version =
        Version { hash: Some(ContentHash::of(HashKind::Blake3, &pattern(ByteRange::new(0, size)))), ..listed };

    let (store, hints) = (Arc::new(MemoryStore::default()), Arc::new(Hints::default()));
    let runtime = tokio::runtime::Handle::current();
    let fetcher = BlockFetcher::new(provider, store.clone(), hints.clone(), FetchConfig::default(), runtime);
    tokio::time::timeout(Duration::from_secs(30), fetcher.hydrate(&version, Urgency::Demand, &|_| {}))
        .await
        .expect("in time")
        .unwrap();
    store.file(&version).assert_pattern(ByteRange::new(0, size));
    let direct = fetcher.open_direct(&version).expect("the folder's own file");
    assert!(fetcher.direct_is_current(&direct, &version));

    std::fs::write(root.path().join("take.wav"), "another take").unwrap();
    assert!(!fetcher.direct_is_current(&direct, &version));
    let unfetched = Version { size: size - 1, ..version };
    assert_eq!(fetcher.hydrate(&unfetched, Urgency::Demand, &|_| {}).await, Err(FetchError::Gone));
    assert!(hints.gone.load(Ordering::SeqCst) >= 1);
}
