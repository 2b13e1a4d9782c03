//! Everything that can go wrong with a call, against every call, over real HTTP: each cell ends in bounded time, is told as a kind that
//! the engine knows, is overcome without a restart once the fault is gone, and leaves exactly what was asked for.
//!
//! A cell does what the engine does: tries, looks where the outcome is unknown, tries again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cloud_sim::dropbox::{DropboxSim, Options};
use cloud_sim::faults::{Failure, Fault, Special};
use futures_util::stream::{self, StreamExt as _};
use tempfile::TempDir;
use vaultfs::provider::ErrorKind::{self, Ambiguous, AuthRequired, Busy, Corrupt, Exists, NotFound, Offline, Protocol};
use vaultfs::provider::dropbox::{DropboxProvider, PART_UNIT_BYTES};
use vaultfs::provider::http::Phases;
use vaultfs::provider::{Cursor, EntryBody, Provider, ProviderError, RemoteEntry, Result};
use vaultfs::types::RemoteId;

use crate::copy::copy;
use crate::dropbox_world::{Website, client, config};
use crate::harness::{Node, Tree, WebUser as _, bytes, create, name, read_all, revision};

/// Far above any deadline in here, far below for ever.
const BOUND: Duration = Duration::from_secs(120);
/// More attempts than any fault of a cell lasts.
const ATTEMPTS: usize = 12;
/// A large file of two parts, for the calls of upload sessions.
const LARGE: usize = 4 * 1024 * 1024 + 11;

/// Deadlines that a test can wait for.
const PHASES: Phases = Phases {
    connect: Duration::from_secs(2),
    first_byte: Duration::from_secs(2),
    idle: Duration::from_secs(2),
    whole: Duration::from_secs(5),
};

/// A call of the provider and the route that it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    List,
    Continue,
    Poll,
    Download,
    Upload,
    Start,
    Append,
    Finish,
    Copy,
    CreateFolder,
    Move,
    Delete,
    Metadata,
    Space,
}

impl Call {
    const ALL: [Self; 14] = [
        Self::List,
        Self::Continue,
        Self::Poll,
        Self::Download,
        Self::Upload,
        Self::Start,
        Self::Append,
        Self::Finish,
        Self::Copy,
        Self::CreateFolder,
        Self::Move,
        Self::Delete,
        Self::Metadata,
        Self::Space,
    ];

    fn route(self) -> &'static str {
        match self {
            Self::List => "files/list_folder",
            Self::Continue => "files/list_folder/continue",
            Self::Poll => "files/list_folder/longpoll",
            Self::Download => "files/download",
            Self::Upload => "files/upload",
            Self::Start => "files/upload_session/start",
            Self::Append => "files/upload_session/append_v2",
            Self::Finish => "files/upload_session/finish_batch_v2",
            Self::Copy => "files/copy_v2",
            Self::CreateFolder => "files/create_folder_v2",
            Self::Move => "files/move_v2",
            Self::Delete => "files/delete_v2",
            Self::Metadata => "files/get_metadata",
            Self::Space => "users/get_space_usage",
        }
    }
}

/// An account with a vault in it, as every cell finds it.
struct Cell {
    sim: DropboxSim,
    provider: DropboxProvider,
    web: Website,
    root: RemoteId,
    kept: RemoteEntry,
    cursor: Cursor,
    expected: Tree,
    _disk: TempDir,
}

impl Cell {
    async fn new() -> Self {
        Self::with(PHASES).await
    }

    async fn with(phases: Phases) -> Self {
        let sim = DropboxSim::start(Options::default()).unwrap();
        sim.set_longpoll_jitter(Duration::ZERO);
        let web = Website { web: sim.first_account().web(), folder: "/Vault" };
        web.web.write("/Vault/kept", b"kept bytes").unwrap();
        web.web.write("/Vault/folder/inside", b"inside").unwrap();
        web.web.write("/outside", b"outside").unwrap();
        let disk = TempDir::new().unwrap();
        let mut config = config("/Vault", disk.path());
        (config.single_call_bytes, config.part_bytes) = (1024 * 1024, PART_UNIT_BYTES);
        let provider = DropboxProvider::open(config, client(&sim, phases)).unwrap();
        let root = provider.root().await.unwrap().id;
        let kept = provider.find(&root, &name("kept")).await.unwrap().unwrap();
        let mut cursor = None;
        loop {
            let page = provider.changes(cursor.as_ref()).await.unwrap();
            cursor = Some(page.cursor);
            if !page.has_more {
                break;
            }
        }
        let expected = web.truth().await;
        Self { sim, provider, web, root, kept, cursor: cursor.unwrap(), expected, _disk: disk }
    }

    async fn upload(&self, file: &str, content: &[u8]) -> Result<()> {
        create(&self.provider, &self.root, file, content).await.map(|entry| assert_eq!(entry.name, name(file)))
    }

    /// One attempt, as the engine makes it.
    async fn attempt(&self, call: Call) -> Result<()> {
        let provider = &self.provider;
        match call {
            Call::List => provider.changes(None).await.map(|_| ()),
            Call::Continue => match provider.changes(Some(&self.cursor)).await {
                Err(error) if error.kind == ErrorKind::CursorReset => self.list_all().await,
                other => other.map(|_| ()),
            },
            Call::Poll => provider.wait_for_changes(&self.cursor, Duration::from_secs(3)).await,
            Call::Download => {
                let read = read_all(provider, &self.kept).await?;
                // The provider promises the right version and length; the fetcher checks the bytes by the hash.
                if read == b"kept bytes" { Ok(()) } else { Err(corrupt()) }
            }
            Call::Upload => self.upload("new", b"new bytes").await,
            Call::Start | Call::Append | Call::Finish => self.upload("new", &bytes(LARGE, 7)).await,
            Call::Copy => copy(provider, (&self.root, "new"), b"kept bytes", &self.kept).await.0.map(|_| ()),
            Call::CreateFolder => provider.create_folder(&self.root, &name("made")).await.map(|_| ()),
            Call::Move => provider.relocate(&self.kept.id, &self.root, &name("moved")).await.map(|entry| {
                assert_eq!(entry.body, self.kept.body);
            }),
            Call::Delete => provider.delete(&self.kept.id, Some(&revision(&self.kept))).await,
            Call::Metadata => provider.stat(&self.kept.id).await.map(|entry| assert_eq!(entry, self.kept)),
            Call::Space => provider.space().await.map(|_| ()),
        }
    }

    async fn list_all(&self) -> Result<()> {
        let mut page = self.provider.changes(None).await?;
        while page.has_more {
            page = self.provider.changes(Some(&page.cursor)).await?;
        }
        Ok(())
    }

    /// What the engine does where the outcome is unknown, or where its condition no longer holds: looks.
    async fn was_done(&self, call: Call) -> Result<bool> {
        let here = async |file: &str| self.provider.find(&self.root, &name(file)).await;
        Ok(match call {
            Call::Upload | Call::Start | Call::Append | Call::Finish | Call::Copy => here("new").await?.is_some(),
            Call::CreateFolder => here("made").await?.is_some(),
            Call::Move => here("moved").await?.is_some(),
            Call::Delete => here("kept").await?.is_none(),
            Call::List | Call::Continue | Call::Poll | Call::Download | Call::Metadata | Call::Space => false,
        })
    }

    /// The tree once the call has had its one effect.
    fn expected(&self, call: Call) -> Tree {
        let mut tree: BTreeMap<String, Node> = self.expected.clone();
        match call {
            Call::Upload => _ = tree.insert("new".into(), Node::File(b"new bytes".to_vec())),
            Call::Start | Call::Append | Call::Finish => _ = tree.insert("new".into(), Node::File(bytes(LARGE, 7))),
            Call::Copy => _ = tree.insert("new".into(), Node::File(b"kept bytes".to_vec())),
            Call::CreateFolder => _ = tree.insert("made".into(), Node::Folder),
            Call::Move => {
                let moved = tree.remove("kept").unwrap();
                tree.insert("moved".into(), moved);
            }
            Call::Delete => _ = tree.remove("kept"),
            Call::List | Call::Continue | Call::Poll | Call::Download | Call::Metadata | Call::Space => {}
        }
        tree
    }
}

/// Asks until the answer is not that it took too long.
async fn patient<T, F: Future<Output = Result<T>>>(ask: impl Fn() -> F) -> Result<T> {
    let mut answer = ask().await;
    for _ in 1..ATTEMPTS {
        match answer {
            Err(error) if matches!(error.kind, Busy | Offline) => answer = ask().await,
            answer => return answer,
        }
    }
    answer
}

fn corrupt() -> ProviderError {
    ProviderError::new(Corrupt, "read", "the hash says otherwise")
}

/// A column of the matrix.
struct Column {
    fault: Fault,
    /// The kinds that may be told, besides success.
    kinds: &'static [ErrorKind],
    /// How many requests in a row meet the fault.
    times: usize,
}

/// Runs one column against every call that has a route of its own.
async fn column(column: Column, calls: &[Call]) {
    let column = &column;
    let mut failures: Vec<String> = stream::iter(calls.iter().copied())
        .map(|call| async move {
            let cell = tokio::time::timeout(BOUND, cell(column, call)).await;
            cell.unwrap_or_else(|_| Err("it does not end".to_owned())).err().map(|why| format!("{call:?}: {why}"))
        })
        .buffer_unordered(5)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    failures.sort();
    assert!(failures.is_empty(), "{:?}\n{}", column.fault, failures.join("\n"));
}

async fn cell(column: &Column, call: Call) -> std::result::Result<(), String> {
    let cell = Cell::new().await;
    if call == Call::Continue {
        cell.web.write("news", b"news").await;
    }
    cell.sim.faults().times(column.times, call.route(), column.fault.clone());
    let mut told = Vec::new();
    let mut is_done = false;
    for attempt in 0..ATTEMPTS {
        let started = Instant::now();
        let error = match cell.attempt(call).await {
            Ok(()) => {
                is_done = true;
                break;
            }
            Err(error) => error,
        };
        // The deadlines of these tests are short, and machines may be slow.
        let is_late = started.elapsed() >= PHASES.connect && BROKEN.contains(&error.kind);
        if error.message.is_empty() || !(is_late || column.kinds.contains(&error.kind)) {
            return Err(format!(
                "attempt {attempt} told {:?}: {error}, which is none of {:?}",
                error.kind, column.kinds
            ));
        }
        told.push(error.kind);
        if let Some(pause) = error.retry_after {
            tokio::time::sleep(pause).await;
        }
        if matches!(error.kind, Ambiguous | Exists | NotFound) {
            match cell.was_done(call).await {
                Ok(true) => {
                    is_done = true;
                    break;
                }
                Ok(false) => {}
                Err(error) if BROKEN.contains(&error.kind) => {}
                Err(error) => return Err(format!("the look failed: {error}")),
            }
        }
    }
    if !is_done {
        return Err(format!("no recovery: {told:?}"));
    }
    if cell.sim.faults().waiting() == column.times {
        return Err("the fault was never met".to_owned());
    }
    cell.sim.faults().clear();
    let (mut truth, mut expected) = (cell.web.truth().await, cell.expected(call));
    truth.remove("news");
    expected.remove("news");
    if truth != expected {
        return Err(format!("{truth:?}\n  instead of {expected:?}"));
    }
    // The same provider works on: what it lists is what there is.
    patient(|| cell.list_all()).await.map_err(|error| format!("afterwards: {error}"))?;
    let moved = patient(|| cell.provider.stat(&cell.kept.id)).await;
    match (call, moved) {
        (Call::Delete, Err(error)) if error.kind == NotFound => Ok(()),
        (Call::Delete, other) => Err(format!("deleted, and yet {other:?}")),
        (_, Ok(entry)) if matches!(entry.body, EntryBody::File { .. }) => Ok(()),
        (_, other) => Err(format!("afterwards: {other:?}")),
    }
}

/// What a broken connection may be told as.
const BROKEN: &[ErrorKind] = &[Offline, Busy, Ambiguous, Exists];
/// What an answer that makes no sense may be told as.
const NONSENSE: &[ErrorKind] = &[Offline, Busy, Ambiguous, Exists, Protocol, Corrupt];

macro_rules! columns {
    ($($name:ident: $fault:expr, $kinds:expr, $times:expr $(, $calls:expr)?;)+) => {
        $(#[tokio::test]
        async fn $name() {
            let calls: &[&[Call]] = &[$($calls,)? &Call::ALL];
            column(Column { fault: $fault, kinds: $kinds, times: $times }, calls[0]).await;
        })+
    };
}

const FEED: &[Call] = &[Call::List, Call::Continue];
const AUTHORIZED: &[Call] = &[
    Call::List,
    Call::Continue,
    Call::Download,
    Call::Upload,
    Call::Start,
    Call::Append,
    Call::Finish,
    Call::Copy,
    Call::CreateFolder,
    Call::Move,
    Call::Delete,
    Call::Metadata,
    Call::Space,
];

fn too_many(retry_after: Option<u64>, text: bool) -> Fault {
    Fault::Failure(Failure::TooManyRequests { retry_after, text })
}

columns! {
    too_many_requests_with_a_wish: Fault::too_many_requests(1), &[Busy], 2;
    too_many_requests_without_a_wish: too_many(None, false), &[Busy], 2;
    too_many_requests_as_text: too_many(Some(1), true), &[Busy], 1;
    too_many_writes: Fault::Failure(Failure::TooManyWrites { retry_after: None }), &[Busy], 2,
        &[Call::Upload, Call::Finish, Call::Copy, Call::CreateFolder, Call::Move, Call::Delete];
    server_error: Fault::status(500), &[Busy, Ambiguous, Exists], 1;
    server_errors_in_a_burst: Fault::status(503), &[Busy, Ambiguous, Exists], 5;
    lost_before_the_effect: Fault::DropBefore, BROKEN, 1;
    lost_after_the_effect: Fault::DropAfter, &[Offline, Busy, Ambiguous, Exists, NotFound], 1;
    reset_before_the_effect: Fault::ResetBefore, BROKEN, 1;
    reset_after_the_effect: Fault::ResetAfter, &[Offline, Busy, Ambiguous, Exists, NotFound], 1;
    an_answer_that_ends_early: Fault::Truncate { after: Some(3) }, &[Offline, Busy, Ambiguous, Exists, NotFound], 1;
    a_short_answer_that_says_it_is_whole: Fault::ShortBody { after: Some(3) },
        &[Offline, Busy, Ambiguous, Exists, NotFound, Protocol], 1;
    never_answered: Fault::Hang, BROKEN, 1;
    answered_in_drops: Fault::Trickle { bytes: 1, every: Duration::from_secs(1) },
        &[Offline, Busy, Ambiguous, Exists, NotFound], 1;
    a_compression_bomb: Fault::CompressionBomb, NONSENSE, 1;
    redirected_elsewhere: Fault::Redirect("https://127.0.0.1:1/elsewhere".into()), BROKEN, 1;
    html_with_success: Fault::Failure(Failure::Html(200)), BROKEN, 1;
    html_with_a_bad_gateway: Fault::Failure(Failure::Html(502)), BROKEN, 1;
    html_that_forbids: Fault::Failure(Failure::Html(403)), BROKEN, 1;
    a_revoked_token: Fault::Failure(Failure::TokenInvalid), &[AuthRequired], 1, AUTHORIZED;
    a_missing_scope: Fault::Failure(Failure::MissingScope("files.content.read".into())), &[AuthRequired], 1, AUTHORIZED;
    fields_that_nobody_knows: Fault::Special(Special::UnknownFields), &[], 1;
    tags_that_nobody_knows: Fault::error(serde_json::json!({".tag": "of_next_year"})),
        &[Protocol, ErrorKind::CursorReset, Busy, Ambiguous], 1;
    a_page_told_twice: Fault::Special(Special::RepeatPage), &[], 1, FEED;
    a_page_in_reverse: Fault::Special(Special::ReversePage), &[], 1, FEED;
    an_empty_page_with_more_to_come: Fault::Special(Special::EmptyPage), &[], 1, FEED;
    a_lost_cursor: Fault::Special(Special::ResetCursor), &[], 1, &[Call::Continue, Call::Poll];
    an_ignored_range: Fault::Special(Special::IgnoreRange), &[], 1, &[Call::Download];
    another_range: Fault::Special(Special::OtherRange), &[Corrupt, Offline], 1, &[Call::Download];
    a_wrong_byte: Fault::WrongByte { at: Some(2) }, NONSENSE, 1, &[Call::Download];
    not_found_yet: Fault::Special(Special::NotFoundYet), &[NotFound, Busy], 1, &[Call::Metadata, Call::Move];
    a_malformed_path: Fault::error(serde_json::json!({".tag": "path", "path": {".tag": "malformed_path"}})),
        &[ErrorKind::Refused, NotFound], 1, &[Call::Metadata, Call::Copy, Call::CreateFolder];
}

/// Other bytes were stored than were sent, or so it seems: they are sent again.
#[tokio::test]
async fn a_wrong_hash_in_the_answer() {
    for fault in [Special::WrongHash, Special::StoreWrong] {
        let cell = Cell::new().await;
        cell.sim.faults().next("files/upload", Fault::Special(fault));
        cell.upload("new", b"new bytes").await.unwrap();
        assert_eq!(cell.sim.log().count("files/upload"), 2, "{fault:?}");
        cell.sim.faults().next("files/upload", Fault::Special(fault));
        let found = cell.provider.find(&cell.root, &name("new")).await.unwrap().unwrap();
        assert_eq!(read_all(&cell.provider, &found).await.unwrap(), b"new bytes");
        let edited = crate::harness::replace(&cell.provider, &found, b"edited").await.unwrap();
        assert_eq!((read_all(&cell.provider, &edited).await.unwrap(), edited.id), (b"edited".to_vec(), found.id));
        assert_eq!(cell.web.truth().await["new"], Node::File(b"edited".to_vec()), "{fault:?}");
    }
}

/// A service that never stores what is sent has stored nothing.
#[tokio::test]
async fn wrong_bytes_again_and_again() {
    let cell = Cell::new().await;
    cell.sim.faults().always("files/upload", Fault::Special(Special::StoreWrong));
    let told = cell.upload("new", b"new bytes").await.unwrap_err();
    assert_eq!(told.kind, Corrupt, "{told}");
    assert_eq!(cell.web.truth().await, cell.expected, "nothing is left of it");
    let told = crate::harness::replace(&cell.provider, &cell.kept, b"edited").await.unwrap_err();
    assert_eq!(told.kind, Ambiguous, "{told}");
    cell.sim.faults().clear();
    cell.upload("new", b"new bytes").await.unwrap();
}

/// The clock of the answers is wrong by years: nothing depends on it.
#[tokio::test]
async fn a_date_ten_years_off() {
    let cell = Cell::new().await;
    for years in [-10, 10] {
        cell.sim.set_date_off(jiff::SignedDuration::from_hours(years * 24 * 365));
        for call in Call::ALL {
            if !matches!(call, Call::Delete | Call::Move | Call::Start | Call::Append) {
                cell.attempt(call)
                    .await
                    .or_else(|error| if error.kind == Exists { Ok(()) } else { Err(error) })
                    .unwrap();
            }
        }
    }
}

/// Nobody listens, nobody answers, nobody has that name.
#[tokio::test]
async fn no_connection_at_all() {
    for outage in ["refused", "silent"] {
        let short = Duration::from_secs(1);
        let cell = Cell::with(Phases { connect: short, first_byte: short, idle: short, whole: 2 * short }).await;
        let link = cell.sim.link();
        if outage == "refused" {
            link.refuse().await;
        } else {
            link.go_silent();
        }
        let attempts = Call::ALL.map(|call| {
            let cell = &cell;
            async move { (call, tokio::time::timeout(BOUND, cell.attempt(call)).await.expect("bounded")) }
        });
        for (call, told) in futures_util::future::join_all(attempts).await {
            // The long poll has had its time without a word.
            let Err(error) = told else {
                assert_eq!(call, Call::Poll, "{outage}");
                continue;
            };
            assert!(matches!(error.kind, Offline | Busy | Ambiguous), "{outage} {call:?}: {error}");
        }
        link.up().await;
        for call in [Call::List, Call::Metadata, Call::Download] {
            patient(|| cell.attempt(call)).await.unwrap_or_else(|error| panic!("{outage} {call:?}: {error}"));
        }
        let mut sent = cell.attempt(Call::Upload).await;
        while sent.is_err() && !cell.was_done(Call::Upload).await.unwrap_or_default() {
            sent = cell.attempt(Call::Upload).await;
        }
        assert_eq!(cell.web.truth().await, cell.expected(Call::Upload), "{outage}: an effect of nothing");
    }
}
