//! What an upload to Dropbox costs, by the service's request log, and what becomes of each file of a batch whatever happens to the batch.

use std::collections::BTreeMap;
use std::time::Duration;

use cloud_sim::dropbox::Contention;
use cloud_sim::faults::{Failure, Fault};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use vaultfs::provider::{ErrorKind, RemoteEntry, Result, Upload, UploadObserver, UploadSession, UploadTarget};
use vaultfs::types::{ContentHash, HashKind, RemoteId};

use crate::copy::copy;
use crate::dropbox_world::{DropboxWorld, InFolder, InParts};
use crate::harness::{Memory, Node, World, bytes, create, name, read_all, request, root};

const FINISH: &str = "files/upload_session/finish_batch_v2";

/// A world whose service takes a moment for a change, and lets no two changes meet.
async fn busy(hold: Duration, patience: Duration) -> (DropboxWorld<InFolder>, RemoteId) {
    let world = DropboxWorld::<InFolder>::fresh().await;
    let root = root(world.provider()).await;
    world.sim.set_contention(Some(Contention { hold, patience }));
    world.sim.log().clear();
    (world, root)
}

fn content(at: usize) -> Vec<u8> {
    bytes(2_000 + at, 7)
}

/// Files `0` to `count`, all at once.
async fn all_at_once(world: &DropboxWorld<InFolder>, root: &RemoteId, count: usize) -> Vec<Result<RemoteEntry>> {
    let files: Vec<(String, Vec<u8>)> = (0..count).map(|at| (at.to_string(), content(at))).collect();
    join_all(files.iter().map(|(name, bytes)| create(world.provider(), root, name, bytes))).await
}

#[tokio::test]
async fn small_files_are_committed_together_and_never_meet() {
    const FILES: usize = 200;
    let (world, root) = busy(Duration::from_millis(3), Duration::ZERO).await;
    world.sim.link().set_round_trip(Duration::from_millis(20));
    let (provider, root) = (world.provider(), &root);
    let parallel = provider.capabilities().limits.parallel_calls;
    let stored: Vec<Result<RemoteEntry>> = stream::iter(0..FILES)
        .map(|at| async move {
            let bytes = content(at);
            create(provider, root, &at.to_string(), &bytes).await
        })
        .buffered(parallel)
        .collect()
        .await;
    for (at, entry) in stored.into_iter().enumerate() {
        assert_eq!(entry.unwrap().name, name(&at.to_string()));
    }
    let log = world.sim.log();
    let commits = log.count(FINISH) + log.count("files/upload");
    assert!(commits <= FILES / 4, "{commits} commits of {FILES} files");
    let sent = log.count("files/upload_session/start") + log.count("files/upload");
    assert_eq!(sent, FILES, "every file is sent once");
    assert!(log.entries().iter().all(|record| record.status() != 429), "changes have met");
    let expected: BTreeMap<String, Node> = (0..FILES).map(|at| (at.to_string(), Node::File(content(at)))).collect();
    assert!(world.web().truth().await == expected);
}

#[tokio::test]
async fn each_file_of_a_batch_has_an_outcome_of_its_own() {
    let (world, root) = busy(Duration::from_millis(200), Duration::from_secs(9)).await;
    for taken in ["3", "6"] {
        world.web().write(taken, b"somebody else's").await;
    }
    let stored = all_at_once(&world, &root, 8).await;
    assert!(world.sim.log().count(FINISH) <= 4, "they did not go together");
    for (at, outcome) in stored.into_iter().enumerate() {
        match outcome {
            Ok(entry) => assert_eq!(read_all(world.provider(), &entry).await.unwrap(), content(at)),
            Err(error) => assert!([3, 6].contains(&at) && error.kind == ErrorKind::Exists, "{at}: {error}"),
        }
    }
    let truth = world.web().truth().await;
    assert!(truth.len() == 8 && truth["3"] == Node::File(b"somebody else's".to_vec()));
}

/// The engine looks for each of them, as it does for a single upload.
#[tokio::test]
async fn a_batch_whose_answer_is_lost_leaves_every_file_to_be_looked_for() {
    for fault in [Fault::DropAfter, Fault::DropBefore] {
        let (world, root) = busy(Duration::from_millis(200), Duration::from_secs(9)).await;
        let has_effect = fault == Fault::DropAfter;
        world.sim.faults().next(FINISH, fault);
        let stored = all_at_once(&world, &root, 8).await;
        let mut unknown = 0;
        for (at, outcome) in stored.into_iter().enumerate() {
            let Err(error) = outcome else { continue };
            assert_eq!(error.kind, ErrorKind::Ambiguous, "{at}: {error}");
            assert!(error.message.contains(&at.to_string()), "{at} is not named: {error}");
            unknown += 1;
            let found = world.provider().find(&root, &name(&at.to_string())).await.unwrap();
            assert_eq!(found.is_some(), has_effect);
            let again = create(world.provider(), &root, &at.to_string(), &content(at)).await;
            assert_eq!(again.err().map(|error| error.kind), has_effect.then_some(ErrorKind::Exists));
        }
        assert!(unknown > 1, "there was no batch");
        let expected: BTreeMap<String, Node> = (0..8).map(|at| (at.to_string(), Node::File(content(at)))).collect();
        assert!(world.web().truth().await == expected);
    }
}

#[tokio::test]
async fn a_batch_that_is_not_understood_is_committed_one_by_one() {
    let (world, root) = busy(Duration::from_millis(200), Duration::from_secs(9)).await;
    let text = "Error in call to API function \"files/upload_session/finish_batch_v2\": request body: entries[2]: bad";
    // The batch, and then one of its files.
    world.sim.faults().times(2, FINISH, Fault::Failure(Failure::BadRequest(text.to_owned())));
    let stored = all_at_once(&world, &root, 8).await;
    let refused: Vec<_> = stored.into_iter().filter_map(Result::err).collect();
    assert!(matches!(refused.as_slice(), [one] if one.kind == ErrorKind::Invalid), "{refused:?}");
    assert_eq!(world.web().truth().await.len(), 7);
}

#[tokio::test]
async fn a_folder_is_renamed_in_one_call_whatever_is_in_it() {
    let (world, root) = busy(Duration::ZERO, Duration::ZERO).await;
    let provider = world.provider();
    let folder = provider.create_folder(&root, &name("before")).await.unwrap();
    all_at_once(&world, &folder.id, 20).await.into_iter().for_each(|stored| assert!(stored.is_ok()));
    world.sim.log().clear();
    provider.relocate(&folder.id, &root, &name("after")).await.unwrap();
    let routes: Vec<String> = world.sim.log().entries().iter().map(|record| record.route().to_owned()).collect();
    assert_eq!(routes.iter().filter(|route| *route != "files/get_metadata").collect::<Vec<_>>(), ["files/move_v2"]);
    assert_eq!(world.web().truth().await.keys().filter(|path| path.starts_with("after/")).count(), 20);
}

#[tokio::test]
async fn a_copy_is_two_calls_and_no_bytes() {
    let (world, root) = busy(Duration::ZERO, Duration::ZERO).await;
    let take = bytes(3_000_000, 1);
    let first = create(world.provider(), &root, "take", &take).await.unwrap();
    world.sim.log().clear();
    let (second, was_sent) = copy(world.provider(), (&root, "again"), &take, &first).await;
    assert!(second.is_ok() && !was_sent);
    let log = world.sim.log();
    let received: u64 = log.entries().iter().map(|record| record.received()).sum();
    assert_eq!((log.count("files/get_metadata"), log.count("files/copy_v2"), log.entries().len()), (1, 1, 2));
    assert!(received < 1_000, "{received} bytes");
}

/// What moved out of the vault is none of its business, whatever is in it.
#[tokio::test]
async fn nothing_is_copied_from_outside_of_the_vault() {
    let (world, root) = busy(Duration::ZERO, Duration::ZERO).await;
    let take = bytes(100_000, 1);
    let first = create(world.provider(), &root, "take", &take).await.unwrap();
    let web = world.sim.first_account().web();
    web.rename("/Apps/Muze/My Vault/take", "/take").unwrap();
    let (second, was_sent) = copy(world.provider(), (&root, "again"), &take, &first).await;
    assert!(second.is_ok() && was_sent && world.sim.log().count("files/copy_v2") == 0);
}

/// Nobody can copy on a condition: a copy that turned out to be of something else is taken back before the bytes are sent.
#[tokio::test]
async fn a_source_that_changes_between_the_look_and_the_copy() {
    let (world, root) = busy(Duration::ZERO, Duration::ZERO).await;
    let take = bytes(100_000, 1);
    let first = create(world.provider(), &root, "take", &take).await.unwrap();
    // The service waits for the tree before it copies; meanwhile somebody writes.
    world.sim.set_contention(Some(Contention { hold: Duration::from_secs(1), patience: Duration::from_secs(9) }));
    let edit = async {
        world.sim.log().until(|log| log.iter().any(|record| record.route() == "files/copy_v2")).await;
        world.web().write("take", b"somebody else's").await;
    };
    let ((second, was_sent), ()) = tokio::join!(copy(world.provider(), (&root, "again"), &take, &first), edit);
    assert!(read_all(world.provider(), &second.unwrap()).await.unwrap() == take && was_sent);
    assert_eq!(world.sim.log().count("files/delete_v2"), 1);
    let truth = world.web().truth().await;
    assert!(truth.len() == 2 && truth["take"] == Node::File(b"somebody else's".to_vec()));
}

/// Remembers how far an upload has come.
#[derive(Default)]
struct Remembers(std::sync::Mutex<Option<UploadSession>>);

impl UploadObserver for Remembers {
    fn progressed(&self, _sent: u64) {}

    fn session(&self, session: &UploadSession) {
        *self.0.lock().unwrap() = Some(session.clone());
    }
}

/// A session lives for seven days. What rested for longer is begun anew, and what did not goes on.
#[tokio::test]
async fn an_upload_that_rested_for_too_long_is_begun_anew() {
    const APPEND: &str = "files/upload_session/append_v2";
    for (days, beginnings) in [(6, 1), (8, 2)] {
        let world = DropboxWorld::<InParts>::fresh().await;
        let (provider, log) = (world.provider(), world.sim.log());
        let root = root(provider).await;
        let content = bytes(9 * 1024 * 1024, 5);
        let hash = ContentHash::of(HashKind::Dropbox, &content);
        let (source, observer) = (Memory(content.clone()), Remembers::default());
        let target = || UploadTarget::Create { parent: root.clone(), name: name("take.wav") };
        world.sim.faults().next(APPEND, Fault::Delay(Duration::ZERO));
        world.sim.faults().always(APPEND, Fault::DropBefore);
        provider.upload(request(target(), &source, hash, &observer)).await.unwrap_err();
        let resume = observer.0.lock().unwrap().clone();
        assert!(resume.is_some(), "a part was confirmed");
        world.sim.faults().clear();
        world.sim.clock().advance(Duration::from_secs(days * 24 * 3600));
        let again = Upload { resume, ..request(target(), &source, hash, &observer) };
        let stored = provider.upload(again).await.unwrap();
        assert!(read_all(provider, &stored).await.unwrap() == content, "{days} days");
        assert_eq!(log.count("files/upload_session/start"), beginnings, "{days} days");
    }
}
