//! The stores without a key store of the system: that one is tested by `tests/accounts`, against a real Secret Service.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, mock};

use super::key_store::{Backend, Limits, explain_common};
use super::*;

const CANARY: &str = "sl.canary-5b1f";

fn places(folder: &Path) -> FilePlaces {
    FilePlaces { secrets: folder.join("state/secrets.json"), key: folder.join("config/secrets.key"), credential: None }
}

fn canary() -> Secret {
    Secret::new(CANARY)
}

#[test]
fn a_secret_in_the_file_comes_back_and_is_in_no_file_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let store = FileStore::new(places.clone());
    assert_eq!(store.get("one", Asking::Never).unwrap(), None);
    store.set("one", "", &canary(), Asking::Never).unwrap();
    store.set("two", "", &Secret::new("other"), Asking::Never).unwrap();
    let again = FileStore::new(places.clone());
    assert_eq!(again.get("one", Asking::Never).unwrap().unwrap().expose(), CANARY);
    for path in [&places.secrets, &places.key] {
        let bytes = fs::read(path).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    again.delete("one", Asking::Never).unwrap();
    again.delete("one", Asking::Never).unwrap();
    assert_eq!(again.get("one", Asking::Never).unwrap(), None);
    assert_eq!(again.get("two", Asking::Never).unwrap().unwrap().expose(), "other");
}

#[test]
fn a_file_with_one_changed_byte_never_gives_another_secret() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let store = FileStore::new(places.clone());
    store.set("one", "", &canary(), Asking::Never).unwrap();
    let good = fs::read(&places.secrets).unwrap();
    let mut refused = 0;
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&places.secrets, &bad).unwrap();
        match store.get("one", Asking::Never) {
            // White space, or the name itself: then there is no such secret.
            Ok(secret) => assert!(secret.is_none_or(|secret| secret == canary()), "byte {at}"),
            Err(SecretError::Damaged { .. }) => refused += 1,
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
    assert!(refused > 80, "the nonce, the text and its tag: {refused}");
}

#[test]
fn a_secret_is_bound_to_its_name_and_to_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let store = FileStore::new(places.clone());
    store.set("one", "", &canary(), Asking::Never).unwrap();
    let text = fs::read_to_string(&places.secrets).unwrap();
    fs::write(&places.secrets, text.replace("\"one\"", "\"two\"")).unwrap();
    assert!(matches!(store.get("two", Asking::Never), Err(SecretError::Damaged { .. })));
    fs::write(&places.secrets, &text).unwrap();
    fs::write(&places.key, [7; 32]).unwrap();
    assert!(matches!(store.get("one", Asking::Never), Err(SecretError::Damaged { .. })));
    fs::remove_file(&places.key).unwrap();
    assert!(matches!(store.get("one", Asking::Never), Err(SecretError::KeyMissing { .. })));
    store.set("one", "", &Secret::new("anew"), Asking::Never).unwrap();
    assert_eq!(store.get("one", Asking::Never).unwrap().unwrap().expose(), "anew");
}

#[test]
fn a_credential_of_the_service_manager_is_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let credential = folder.path().join("credential");
    let places = FilePlaces { credential: Some(credential.clone()), ..places(folder.path()) };
    let store = FileStore::new(places.clone());
    assert!(matches!(store.set("one", "", &canary(), Asking::Never), Err(SecretError::KeyMissing { .. })));
    fs::write(&credential, [3; 40]).unwrap();
    store.set("one", "", &canary(), Asking::Never).unwrap();
    assert_eq!(store.get("one", Asking::Never).unwrap().unwrap().expose(), CANARY);
    assert!(!places.key.exists());
}

/// A key store that does what the test says.
struct Scripted {
    store: Arc<mock::Store>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_locked: bool,
    is_absent: bool,
    /// The next call waits for this.
    hang: Option<mpsc::Receiver<()>>,
}

impl Scripted {
    fn new(state: State) -> Arc<Self> {
        Arc::new(Self { store: mock::Store::new().unwrap(), state: Mutex::new(state) })
    }

    fn store(self: &Arc<Self>) -> KeyStore {
        let (answer, person) = (Duration::from_millis(200), Duration::from_millis(200));
        KeyStore::over(Arc::<Self>::clone(self), Limits { answer, person })
    }
}

impl Backend for Scripted {
    fn check_unlocked(&self, _name: &str) -> Result<()> {
        let state = self.state.lock().unwrap();
        if state.is_locked && !state.is_absent { Err(SecretError::Locked) } else { Ok(()) }
    }
    fn entry(&self, name: &str, _label: &str) -> Result<Entry> {
        let hang = self.state.lock().unwrap().hang.take();
        if let Some(hang) = hang {
            hang.recv().unwrap();
        }
        if self.state.lock().unwrap().is_absent {
            return Err(SecretError::Absent { why: "test".to_owned() });
        }
        Ok(self.store.build("vaultfs", name, None).unwrap())
    }
    fn explain(&self, error: keyring_core::Error) -> SecretError {
        explain_common(error)
    }
}

#[test]
fn the_key_store_keeps_finds_and_forgets() {
    let store = Scripted::new(State::default()).store();
    assert_eq!(store.get("one", Asking::Never).unwrap(), None);
    store.set("one", "label", &canary(), Asking::Never).unwrap();
    assert_eq!(store.get("one", Asking::Never).unwrap(), Some(canary()));
    store.delete("one", Asking::Never).unwrap();
    store.delete("one", Asking::Never).unwrap();
    assert_eq!(store.get("one", Asking::Never).unwrap(), None);
}

#[test]
fn a_locked_key_store_is_not_opened_unless_somebody_is_there() {
    let backend = Scripted::new(State { is_locked: true, ..State::default() });
    let store = backend.store();
    assert!(matches!(store.get("one", Asking::Never), Err(SecretError::Locked)));
    assert!(matches!(store.set("one", "", &canary(), Asking::Never), Err(SecretError::Locked)));
    assert_eq!(store.get("one", Asking::Allowed).unwrap(), None);
}

#[test]
fn a_key_store_that_hangs_holds_nobody_and_is_used_again_when_it_answers() {
    let (let_go, hang) = mpsc::channel();
    let backend = Scripted::new(State { hang: Some(hang), ..State::default() });
    let store = backend.store();
    assert!(matches!(store.set("one", "", &canary(), Asking::Allowed), Err(SecretError::NoAnswer { .. })));
    // The first call still holds it: a second one is not even begun.
    assert!(matches!(store.get("one", Asking::Never), Err(SecretError::NoAnswer { .. })));
    let_go.send(()).unwrap();
    // Enters when the late call has left, however long that takes below the limit.
    assert_eq!(store.get("one", Asking::Never).unwrap(), Some(canary()));
}

#[test]
fn texts_of_failures_do_not_hold_what_was_stored() {
    let bad = keyring_core::Error::BadEncoding(CANARY.as_bytes().to_vec());
    assert!(!format!("{:?} {}", explain_common(bad), SecretError::NotOurs).contains("canary"));
}

#[test]
fn the_file_is_used_only_where_there_is_no_key_store_or_it_is_asked_for() {
    let with = |state: State, place| {
        let folder = tempfile::tempdir().unwrap();
        let file = Box::new(FileStore::new(places(folder.path())));
        let secrets = Secrets::with_stores(Box::new(Scripted::new(state).store()), file);
        let kept = secrets.keep("one", "label", &canary(), place, Asking::Never);
        if let Ok(storage) = kept {
            assert_eq!(secrets.fetch("one", storage, Asking::Never).unwrap(), Some(canary()));
            secrets.forget("one", storage, Asking::Never).unwrap();
            assert_eq!(secrets.fetch("one", storage, Asking::Never).unwrap(), None);
        }
        kept
    };
    let absent = || State { is_absent: true, ..State::default() };
    let locked = || State { is_locked: true, ..State::default() };
    assert_eq!(with(State::default(), SecretPlace::Automatic).unwrap(), Storage::KeyStore);
    assert_eq!(with(absent(), SecretPlace::Automatic).unwrap(), Storage::File);
    assert!(matches!(with(locked(), SecretPlace::Automatic), Err(SecretError::Locked)));
    assert!(matches!(with(absent(), SecretPlace::KeyStore), Err(SecretError::Absent { .. })));
    assert_eq!(with(locked(), SecretPlace::File).unwrap(), Storage::File);
}
