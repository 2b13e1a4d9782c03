//! Opens addresses in the user's browser.

use std::process::{Command, Stdio};

use crate::config::{Environment, env};
use crate::sys::host;

/// True if a browser could show itself.
pub(super) fn is_possible(environment: &Environment) -> bool {
    let display = [env::BROWSER, env::DISPLAY, env::WAYLAND_DISPLAY];
    !host::BROWSER_NEEDS_DISPLAY || display.iter().any(|name| environment.get(name).is_some())
}

/// Opens an address. Returns false if there is nothing to open it with; what the browser makes of it is not waited for.
pub(super) fn open(environment: &Environment, address: &str) -> bool {
    let chosen = environment.get(env::BROWSER).and_then(|browsers| browsers.to_str());
    let program = match chosen.and_then(|browsers| browsers.split(':').next()).filter(|browser| !browser.is_empty()) {
        Some(browser) => browser,
        None => host::BROWSER_OPENER,
    };
    let mut command = Command::new(program);
    command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(mut child) => {
            // Some browsers stay, some hand over and end: somebody has to take note of the end.
            std::thread::spawn(move || drop(child.wait()));
            true
        }
        Err(_) => false,
    }
}
