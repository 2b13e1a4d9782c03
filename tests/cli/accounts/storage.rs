//! Where the sign-in rests: in a real key store that is there, locked, denied, hanging or absent; else in an encrypted file.

use std::os::unix::fs::PermissionsExt;

use super::World;
use super::keys::Session;
use crate::golden;

#[test]
fn the_key_store_has_it_under_a_name_that_people_understand_and_only_there() {
    let world = World::new();
    world.connected();
    let entries = world.session().entries();
    let [(label, secret)] = &entries[..] else { panic!("one entry: {entries:?}") };
    assert_eq!(label, "vaultfs: sign-in to dropbox as stub.user@example.com");
    assert!(secret.len() > 20, "a refresh token");
    assert!(!world.device.path("state/vaultfs/secrets.json").exists());
    // Another process, as after an update of the program.
    world.device.ok("daemon stop");
    world.device.ok("test-connection");
    assert_eq!(world.session().entries(), entries);
    golden::check("disconnect.txt", &world.golden(&world.device.ok("disconnect").whole()));
    assert_eq!(world.session().entries(), []);
    assert_eq!(world.device.json("account list")["accounts"].as_array().unwrap().len(), 0);
}

#[test]
fn a_locked_key_store_is_a_state_and_unlocking_it_is_enough() {
    let mut world = World::new();
    world.connected();
    world.device.ok("daemon stop");
    world.session().lock();
    let tested = world.device.run("test-connection");
    assert_eq!(tested.code, 4, "{tested:#?}");
    golden::check("key-store-locked.txt", &world.golden(&tested.whole()));
    let shown = world.device.json("account show");
    assert_eq!((&shown["connected"], &shown["state"]), (&true.into(), &"key-store-locked".into()));
    world.session.as_mut().unwrap().unlock();
    world.device.ok("test-connection");
    assert_eq!(world.device.json("account show")["state"], "connected");
}

#[test]
fn signing_in_with_a_locked_key_store_keeps_nothing_anywhere() {
    let world = World::new();
    world.session().lock();
    let said = world.by_code();
    assert_eq!(said.code, 4, "{said:#?}");
    assert!(said.err.contains("locked"), "{said:#?}");
    assert_eq!(world.device.json("account list")["accounts"].as_array().unwrap().len(), 0);
    assert!(!world.device.path("state/vaultfs/secrets.json").exists(), "never the weak place unasked");
    let taken_back = world.sim.log().entries().iter().filter(|record| record.route() == "auth/token/revoke").count();
    assert_eq!(taken_back, 1);
}

#[test]
fn a_key_store_that_hangs_holds_nobody() {
    let world = World::new();
    world.connected();
    world.device.ok("daemon stop");
    world.session().freeze();
    let tested = world.device.run("test-connection");
    assert_eq!(tested.code, 4, "{tested:#?}");
    assert!(tested.out.contains("has not answered within"), "{tested:#?}");
    assert_eq!(world.device.json("status")["state"], "idle");
    world.session().thaw();
    world.device.ok("test-connection");
}

#[test]
fn a_key_store_that_lets_nobody_in_is_told() {
    let mut world = World::headless();
    let deny = "<deny send_interface=\"org.freedesktop.Secret.Service\"/>";
    let mut session = Session::without_keys(&world.device.folder("session"), deny);
    session.unlock();
    world.device.set("DBUS_SESSION_BUS_ADDRESS", session.address());
    let said = world.by_code();
    assert_eq!(said.code, 4, "{said:#?}");
    assert!(said.err.contains("the key store refuses access"), "{said:#?}");
    assert!(!world.device.path("state/vaultfs/secrets.json").exists());
}

#[test]
fn without_a_key_store_it_is_an_encrypted_file_and_everybody_says_weak() {
    let world = World::headless();
    let said = world.by_code();
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(said.err.contains("weak storage"), "{said:#?}");
    let shown = world.device.json("account show");
    assert_eq!((&shown["weak_storage"], &shown["storage"]), (&true.into(), &"file".into()));
    let mut told = String::new();
    for line in ["account", "account show", "test-connection"] {
        told += &format!("$ vaultfs {line}\n{}\n", world.golden(&world.device.ok(line).whole()));
    }
    golden::check("weak-storage.txt", &told);
    for file in ["state/vaultfs/secrets.json", "config/vaultfs/secrets.key", "config/vaultfs/accounts.json"] {
        let mode = std::fs::metadata(world.device.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    world.device.ok("daemon stop");
    world.device.ok("test-connection");
    // Without its key the file is worth nothing.
    world.device.ok("daemon stop");
    std::fs::remove_file(world.device.path("config/vaultfs/secrets.key")).unwrap();
    let tested = world.device.run("test-connection");
    assert_eq!(tested.code, 4, "{tested:#?}");
    assert!(tested.out.contains("is missing") && tested.err.contains("sign in again"), "{tested:#?}");
    assert_eq!(world.by_code().code, 0);
    world.device.ok("test-connection");
}

#[test]
fn who_wants_the_key_store_or_nothing_gets_nothing_without_one() {
    let mut world = World::headless();
    world.device.set("VAULTFS_SECRETS_STORE", "key-store");
    let said = world.by_code();
    assert_eq!(said.code, 4, "{said:#?}");
    assert!(said.err.contains("this session has no key store") && said.err.contains("secrets.store file"), "{said:#?}");
    assert!(!world.device.path("state/vaultfs/secrets.json").exists());
}

#[test]
fn who_wants_the_file_gets_it_beside_a_key_store_and_moving_back_leaves_nothing() {
    let mut world = World::new();
    world.device.set("VAULTFS_SECRETS_STORE", "file");
    world.connected();
    assert_eq!(world.session().entries(), []);
    world.device.ok("daemon stop");
    world.device.set("VAULTFS_SECRETS_STORE", "automatic");
    assert_eq!(world.connected()["weak_storage"], false);
    assert_eq!(world.session().entries().len(), 1);
    let file = std::fs::read_to_string(world.device.path("state/vaultfs/secrets.json")).unwrap();
    assert!(!file.contains("nonce"), "{file}");
}
