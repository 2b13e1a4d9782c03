//! The environment: every variable that vaultfs reads, in one table, taken once at start.
//!
//! Variables that stand for a setting are rows of [`SETTINGS`]; the others are in [`VARIABLES`].

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::settings::SETTINGS;
use crate::sys::{host, process};

/// Home folder.
pub const HOME: &str = "HOME";
/// Base of settings.
pub const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// Base of state.
pub const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
/// Base of caches.
pub const XDG_CACHE_HOME: &str = "XDG_CACHE_HOME";
/// Base of what the desktop knows of programs.
pub const XDG_DATA_HOME: &str = "XDG_DATA_HOME";
/// Base of sockets.
pub const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// Folder of settings.
pub const VAULTFS_CONFIG_DIR: &str = "VAULTFS_CONFIG_DIR";
/// Folder of state.
pub const VAULTFS_STATE_DIR: &str = "VAULTFS_STATE_DIR";
/// Folder of caches.
pub const VAULTFS_CACHE_DIR: &str = "VAULTFS_CACHE_DIR";
/// Folder of the control socket.
pub const VAULTFS_RUNTIME_DIR: &str = "VAULTFS_RUNTIME_DIR";
/// Folder of temporary files.
pub const TMPDIR: &str = "TMPDIR";
/// The session bus, by which the key store is reached.
pub const DBUS_SESSION_BUS_ADDRESS: &str = "DBUS_SESSION_BUS_ADDRESS";
/// Secrets that the service manager hands over.
pub const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// The browser.
pub const BROWSER: &str = "BROWSER";
/// A screen of X11.
pub const DISPLAY: &str = "DISPLAY";
/// A screen of Wayland.
pub const WAYLAND_DISPLAY: &str = "WAYLAND_DISPLAY";
/// No colour.
pub const NO_COLOR: &str = "NO_COLOR";

/// A variable that is not a setting.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it does, for the manual.
    pub meaning: &'static str,
}

/// The variables that are not settings.
pub const VARIABLES: &[Variable] = &[
    Variable { name: HOME, meaning: "home folder; the XDG folders below are found from it" },
    Variable { name: XDG_CONFIG_HOME, meaning: "base of the settings folder; default ~/.config" },
    Variable { name: XDG_STATE_HOME, meaning: "base of the state folder (precious); default ~/.local/state" },
    Variable { name: XDG_CACHE_HOME, meaning: "base of the cache folder (may be deleted); default ~/.cache" },
    Variable {
        name: XDG_DATA_HOME,
        meaning: "base of the desktop's folder of programs, for `connect --redirect scheme`; default ~/.local/share",
    },
    Variable {
        name: XDG_RUNTIME_DIR,
        meaning: "base of the socket's folder; default /run/user/UID, else a folder in TMPDIR",
    },
    Variable { name: VAULTFS_CONFIG_DIR, meaning: "the settings folder itself, instead of $XDG_CONFIG_HOME/vaultfs" },
    Variable { name: VAULTFS_STATE_DIR, meaning: "the state folder itself, instead of $XDG_STATE_HOME/vaultfs" },
    Variable { name: VAULTFS_CACHE_DIR, meaning: "the cache folder itself, instead of $XDG_CACHE_HOME/vaultfs" },
    Variable { name: VAULTFS_RUNTIME_DIR, meaning: "the socket's folder itself, instead of $XDG_RUNTIME_DIR/vaultfs" },
    Variable { name: TMPDIR, meaning: "where the socket's folder goes if there is no runtime folder; default /tmp" },
    Variable {
        name: DBUS_SESSION_BUS_ADDRESS,
        meaning: "the session bus, by which the key store is reached; default $XDG_RUNTIME_DIR/bus",
    },
    Variable {
        name: CREDENTIALS_DIRECTORY,
        meaning: "set by systemd: vaultfs-secrets-key in it is the key of the file of sign-ins, on machines without a key store",
    },
    Variable {
        name: BROWSER,
        meaning: "the program that opens addresses for signing in; default: the desktop's own choice",
    },
    Variable { name: DISPLAY, meaning: "where neither this nor WAYLAND_DISPLAY is set, signing in is by code" },
    Variable { name: WAYLAND_DISPLAY, meaning: "see DISPLAY" },
    Variable { name: NO_COLOR, meaning: "if set and not empty: no colours in the output" },
];

/// What the process was started with. Nothing else in the program reads the environment.
#[derive(Clone, Debug)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
    /// Owner of everything that vaultfs makes.
    pub uid: u32,
    /// Name of the machine, if it has one.
    pub host_name: Option<String>,
    /// Where a login session keeps the runtime folders of users.
    pub run_user: PathBuf,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let known = |name: &str| name.starts_with("VAULTFS_") || VARIABLES.iter().any(|variable| variable.name == name);
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| known(name))
            .collect();
        Self { variables, uid: process::effective_uid(), host_name: host::host_name(), run_user: "/run/user".into() }
    }

    /// A made-up environment of the current user, for tests and the demonstration.
    pub fn of_variables<'a>(variables: impl IntoIterator<Item = (&'a str, &'a OsStr)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { variables, uid: process::effective_uid(), host_name: None, run_user: "/nonexistent".into() }
    }

    /// A variable; unset if it is empty, as the XDG specification and `NO_COLOR` ask for.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(name).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A variable that holds an absolute path; relative ones are ignored, as the XDG specification asks for.
    pub fn path(&self, name: &str) -> Option<&Path> {
        self.get(name).map(Path::new).filter(|path| path.is_absolute())
    }

    /// Variables that look like ours and mean nothing: probably misspelt.
    pub fn unknown(&self) -> Vec<&str> {
        let known = |name: &str| {
            VARIABLES.iter().any(|variable| variable.name == name)
                || SETTINGS.iter().any(|setting| setting.variable == name)
        };
        self.variables.keys().map(String::as_str).filter(|name| !known(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::of_variables(variables.iter().map(|(name, value)| (*name, OsStr::new(value))))
    }

    #[test]
    fn empty_and_relative_values_count_as_unset() {
        let environment = environment(&[("HOME", ""), ("XDG_CONFIG_HOME", "relative"), ("XDG_STATE_HOME", "/s")]);
        assert_eq!(environment.get(HOME), None);
        assert_eq!(environment.path(XDG_CONFIG_HOME), None);
        assert_eq!(environment.path(XDG_STATE_HOME), Some(Path::new("/s")));
    }

    #[test]
    fn misspelt_variables_are_named() {
        let environment = environment(&[("VAULTFS_LOG", "debug"), ("VAULTFS_CACHE_MAX", "1"), ("HOME", "/h")]);
        assert_eq!(environment.unknown(), ["VAULTFS_CACHE_MAX"]);
    }

    #[test]
    fn the_process_has_a_home_or_not_but_always_a_user() {
        let environment = Environment::of_process();
        assert_eq!(environment.uid, process::effective_uid());
        assert_eq!(environment.get(HOME), std::env::var_os("HOME").filter(|home| !home.is_empty()).as_deref());
    }
}
