//! Signing in to a cloud, staying signed in, signing out: the real program, the simulated service, a real key store.
//!
//! [`person`] is who sits in front of the browser, [`keys`] the session with its key store. `ways` are the three ways to sign in,
//! `trouble` is what goes wrong on the way or later, `refusals` what the service refuses, `many` what many files cost, `network`
//! TLS and proxies, `storage` where the sign-in rests, `teams` what
//! becomes of vaults when their owner joins a team or leaves it, `vaults` what vaults make of it, `privacy` where no token may ever be found.

mod keys;
mod many;
mod network;
mod person;
mod privacy;
mod refusals;
mod storage;
mod teams;
mod trouble;
mod vaults;
mod ways;

use cloud_sim::dropbox::{Consent, DropboxSim, Options};

use crate::harness::{Device, Said};
use keys::Session;

/// A device, a person who says yes, and the service.
struct World {
    sim: DropboxSim,
    device: Device,
    session: Option<Session>,
}

impl World {
    /// With a desktop session: a key store that is unlocked, and a browser.
    fn new() -> Self {
        let mut world = Self::headless();
        let session = Session::start(&world.device.folder("session"));
        world.device.set("DBUS_SESSION_BUS_ADDRESS", session.address());
        world.session = Some(session);
        world
    }

    /// Without a session: no bus, no key store.
    fn headless() -> Self {
        let sim = DropboxSim::start(Options::default()).unwrap();
        sim.oauth().set_consent(Consent::Approve);
        let mut device = Device::new();
        device.set("VAULTFS_DROPBOX_APP_KEY", cloud_sim::dropbox::APP_KEY);
        // Tests run beside each other: any port will do.
        device.set("VAULTFS_DROPBOX_REDIRECT_PORTS", "0");
        Self { sim, device, session: None }
    }

    fn session(&self) -> &Session {
        self.session.as_ref().unwrap()
    }

    /// The command that signs in at the simulator.
    fn connect(&self) -> String {
        format!("connect dropbox --base-url {}", self.sim.base_url())
    }

    /// Signs in by code, as a person does: runs the command, opens the address that it prints, pastes the code that the page shows.
    fn by_code(&self) -> Said {
        person::by_code(&self.device, &self.connect(), |page| person::code_on(page).unwrap_or_default())
    }

    /// Signs in by code, which must succeed.
    fn connected(&self) -> serde_json::Value {
        let said = self.by_code();
        assert_eq!(said.code, 0, "{said:#?}");
        self.device.json("account show")
    }

    /// A text with everything that differs between runs replaced.
    fn golden(&self, text: &str) -> String {
        let text = text.replace(&self.sim.base_url(), "<server>");
        let port = self.sim.address().port().to_string();
        person::without_ids(&self.device.golden(&text)).replace(&port, "<port>")
    }
}
