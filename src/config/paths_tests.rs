//! Where things are, and what is refused.

use std::ffi::OsStr;

use super::*;

const ID: VaultId = VaultId(uuid::Uuid::from_u128(0x7d4f_0000_0000_4000_8000_0000_0000_0001));

fn environment(variables: &[(&str, &Path)]) -> Environment {
    Environment::of_variables(variables.iter().map(|(name, value)| (*name, value.as_os_str())))
}

fn find(variables: &[(&str, &str)]) -> Result<Paths, PathsError> {
    Paths::find(&Environment::of_variables(variables.iter().map(|(name, value)| (*name, OsStr::new(value)))))
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

#[test]
fn everything_follows_home() {
    let paths = find(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/run/u")]).unwrap();
    assert_eq!(paths.config_file(), Path::new("/h/.config/vaultfs/config.toml"));
    assert_eq!(paths.registry_file(), Path::new("/h/.config/vaultfs/vaults.json"));
    assert_eq!(
        paths.vault_catalog(ID),
        Path::new("/h/.local/state/vaultfs/7d4f0000-0000-4000-8000-000000000001/catalog.db")
    );
    assert_eq!(paths.vault_blocks(ID), Path::new("/h/.cache/vaultfs/7d4f0000-0000-4000-8000-000000000001/blocks"));
    assert_eq!(paths.control_socket(), Path::new("/run/u/vaultfs/control.sock"));
    assert_eq!(
        paths.muze_registries(),
        [
            Path::new("/h/.config/com.krondor.muze/vaults.json"),
            Path::new("/h/Library/Application Support/com.krondor.muze/vaults.json")
        ]
    );
}

#[test]
fn bases_and_own_folders_are_honoured() {
    let paths = find(&[
        ("XDG_CONFIG_HOME", "/c"),
        ("XDG_STATE_HOME", "/s"),
        ("XDG_CACHE_HOME", "/k"),
        ("VAULTFS_CACHE_DIR", "/fast/cache"),
        ("VAULTFS_RUNTIME_DIR", "/r"),
    ])
    .unwrap();
    assert_eq!(paths.config(), Path::new("/c/vaultfs"));
    assert_eq!(paths.state(), Path::new("/s/vaultfs"));
    assert_eq!(paths.cache(), Path::new("/fast/cache"));
    assert_eq!(paths.control_socket(), Path::new("/r/control.sock"));
}

#[test]
fn without_a_home_the_error_says_what_to_set() {
    assert_eq!(
        find(&[("HOME", "relative"), ("XDG_CONFIG_HOME", "/c")]).unwrap_err().to_string(),
        "no folder for state: neither $XDG_STATE_HOME nor $HOME is an absolute path; set one of them"
    );
}

#[test]
fn a_socket_path_that_no_system_takes_is_refused() {
    let long = format!("/{}", "x".repeat(100));
    let refused = find(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", &long)]);
    assert!(matches!(refused, Err(PathsError::SocketPathTooLong { limit: 103, .. })), "{refused:?}");
}

#[test]
fn the_runtime_folder_falls_back_to_the_session_then_to_our_own() {
    let root = tempfile::tempdir().unwrap();
    let mut environment = environment(&[("HOME", root.path()), ("TMPDIR", root.path())]);
    let uid = environment.uid;
    environment.run_user = root.path().join("run");
    assert_eq!(Paths::find(&environment).unwrap().runtime(), root.path().join(format!("vaultfs-{uid}")));
    fs::create_dir_all(root.path().join(format!("run/{uid}"))).unwrap();
    assert_eq!(Paths::find(&environment).unwrap().runtime(), root.path().join(format!("run/{uid}/vaultfs")));
    environment.uid = uid + 1;
    fs::create_dir_all(root.path().join(format!("run/{}", uid + 1))).unwrap();
    let somebody_elses = Paths::find(&environment).unwrap();
    assert_eq!(somebody_elses.runtime(), root.path().join(format!("vaultfs-{}", uid + 1)), "not ours, so not used");
}

#[test]
fn folders_are_made_for_their_owner_only() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::find(&environment(&[("HOME", root.path()), ("TMPDIR", root.path())])).unwrap();
    fs::create_dir_all(paths.config()).unwrap();
    fs::set_permissions(paths.config(), fs::Permissions::from_mode(0o755)).unwrap();
    paths.create().unwrap();
    paths.create_runtime().unwrap();
    paths.create_vault(ID).unwrap();
    paths.create_vault(ID).unwrap();
    for folder in [paths.config(), paths.state(), paths.cache(), paths.runtime(), &paths.vault_staging(ID)] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    assert!(paths.vault_blocks(ID).is_dir() && paths.vault_history(ID).is_dir());
}

#[test]
fn a_folder_of_somebody_else_a_link_and_a_file_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut environment = environment(&[("HOME", root.path()), ("TMPDIR", root.path())]);
    let paths = Paths::find(&environment).unwrap();
    let elsewhere = root.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, paths.runtime()).unwrap();
    assert!(matches!(paths.create_runtime(), Err(PathsError::NotAFolder { .. })));
    fs::remove_file(paths.runtime()).unwrap();
    fs::write(paths.runtime(), "").unwrap();
    assert!(matches!(paths.create_runtime(), Err(PathsError::NotAFolder { .. })));

    let owner = environment.uid;
    environment.uid = owner + 1;
    let paths = Paths::find(&environment).unwrap();
    fs::create_dir(paths.runtime()).unwrap();
    let refused = paths.create_runtime();
    assert!(matches!(&refused, Err(PathsError::NotOurs { owner: found, .. }) if *found == owner), "{refused:?}");
}
