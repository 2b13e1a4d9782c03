//! A simulator of the Dropbox API v2: one port serves what the service spreads over its api, content, notify and www hosts.

mod access;
mod account;
mod control;
mod jobs;
mod links;
mod model;
mod oauth;
mod quirks;
mod ranges;
mod received;
mod routes;
mod service;
mod spoil;
mod upload_sessions;
mod web;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::SignedDuration;
use tokio_rustls::TlsAcceptor;

use self::service::Dropbox;
use crate::clock::Clock;
use crate::content::Spill;
use crate::faults::Faults;
use crate::http::{Authority, Link, Listening, Server};
use crate::log::Log;

pub use account::Account;
pub use model::world::CaseRenames;
pub use oauth::{Consent, OAuth, RedirectRule};
pub use quirks::{Contention, RateLimit};
pub use web::{Item, Refused, Web};

/// The key of the application that is registered here.
pub const APP_KEY: &str = "testkey";

/// The secret of the applications that are registered here, for clients that need one.
pub const APP_SECRET: &str = "testsecret";

/// The key of an application that sees nothing but its own folder.
pub const SANDBOX_APP_KEY: &str = "testfolderkey";

/// Names that the certificate holds, for clients whose hosts cannot be changed.
const NAMES: &[&str] = &[
    "api.dropboxapi.com",
    "content.dropboxapi.com",
    "notify.dropboxapi.com",
    "api.dropbox.com",
    "www.dropbox.com",
    "localhost",
    "127.0.0.1",
];

/// How a simulator is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Serve HTTPS with a certificate of an own authority, see [`DropboxSim::certificate`].
    pub tls: bool,
    /// Folder for contents; the system's for temporary files when not given.
    pub data: Option<PathBuf>,
    /// An access token of the first account, with every scope and without an end.
    pub token: String,
    /// Seed of ids and of faults by chance.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: false,
            data: None,
            token: "sl.stub-full".to_owned(),
            seed: 1,
        }
    }
}

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on, or the threads cannot be had.
    #[error("the simulator cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// The certificate could not be made.
    #[error("the certificate could not be made: {0}")]
    Certificate(Box<dyn std::error::Error + Send + Sync>),
}

/// Another way to the same service, with a network of its own: one device can be cut off while the others go on.
#[derive(Clone, Debug)]
pub struct Door {
    base_url: String,
    link: Link,
}

impl Door {
    /// Where it is, as `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The network behind it.
    pub fn link(&self) -> &Link {
        &self.link
    }
}

/// A running simulator; it stops when this is dropped. It runs on threads of its own, in real time, so that tests with any
/// runtime, or none, can use it.
pub struct DropboxSim {
    dropbox: Arc<Dropbox>,
    faults: Faults,
    link: Link,
    log: Log,
    address: SocketAddr,
    authority: Option<Authority>,
    connections: Arc<AtomicU64>,
    token: String,
    first: Arc<str>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl DropboxSim {
    /// Starts a simulator.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let listening = Listening::bind(options.listen)?;
        let address = listening.address();
        let authority =
            if options.tls { Some(Authority::for_names(NAMES).map_err(StartError::Certificate)?) } else { None };
        // Last of what can fail: a runtime cannot be dropped inside another one.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let clock = Clock::default();
        let spill = Spill::new(&options.data.unwrap_or_else(std::env::temp_dir));
        let scheme = if options.tls { "https" } else { "http" };
        let routes =
            routes::ROUTES.iter().map(|route| route.name).chain(["oauth2/token", "oauth2/authorize"]).collect();
        let faults = Faults::new(options.seed, routes);
        let (link, log) = (Link::default(), Log::default());
        let dropbox =
            Arc::new(Dropbox::new(options.seed, clock.clone(), spill, faults.clone(), link.clone(), log.clone()));
        dropbox.base_url.get_or_init(|| format!("{scheme}://{address}"));
        let first = account::add(&mut dropbox.world(), "Stub User");
        let sim = Self {
            dropbox,
            faults,
            link,
            log,
            address,
            authority,
            connections: Arc::default(),
            token: options.token,
            first,
            runtime: Some(runtime),
        };
        sim.serve(listening, &sim.link);
        sim.first_account().declare_token(&sim.token, "first");
        Ok(sim)
    }

    fn serve(&self, listening: Listening, link: &Link) {
        let server = Server {
            service: self.dropbox.clone(),
            clock: self.dropbox.clock.clone(),
            faults: self.faults.clone(),
            link: link.clone(),
            log: self.log.clone(),
            tls: self.authority.as_ref().map(|authority| TlsAcceptor::from(authority.server.clone())),
            connections: self.connections.clone(),
        };
        // Only a simulator that is being dropped has no runtime.
        if let Some(runtime) = &self.runtime {
            runtime.spawn(Arc::new(server).run(listening));
        }
    }

    /// Opens another way to the same service, on a port and with a network of its own.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn door(&self) -> Result<Door, StartError> {
        let listening = Listening::bind(SocketAddr::from((self.address.ip(), 0)))?;
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        let door = Door { base_url: format!("{scheme}://{}", listening.address()), link: Link::default() };
        self.serve(listening, &door.link);
        Ok(door)
    }

    /// Where it listens, as `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> String {
        self.dropbox.base_url.get().cloned().unwrap_or_default()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate to be trusted, as PEM, when it serves HTTPS.
    pub fn certificate(&self) -> Option<&str> {
        self.authority.as_ref().map(|authority| authority.certificate.as_str())
    }

    /// The access token of the first account.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The account that [`DropboxSim::token`] belongs to.
    pub fn first_account(&self) -> Account {
        Account { dropbox: self.dropbox.clone(), id: self.first.clone() }
    }

    /// The account of a person, made when first asked for. The name is `Given Surname`.
    pub fn account(&self, name: &str) -> Account {
        let mut world = self.dropbox.world();
        let known = world.accounts.iter().find(|account| account.display_name() == name).map(|known| known.id.clone());
        let id = known.unwrap_or_else(|| account::add(&mut world, name));
        Account { dropbox: self.dropbox.clone(), id }
    }

    /// Signing in.
    pub fn oauth(&self) -> OAuth {
        OAuth { dropbox: self.dropbox.clone() }
    }

    /// Puts an account into a team space: its root is the team's, and its home is a folder there.
    pub fn join_team(&self, account: &Account) {
        self.dropbox.world().join_team(&account.id);
        self.dropbox.announce();
    }

    /// Takes an account out of its team space.
    pub fn leave_team(&self, account: &Account) {
        self.dropbox.world().leave_team(&account.id);
        self.dropbox.announce();
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The network.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// The requests so far.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The service's clock.
    pub fn clock(&self) -> &Clock {
        &self.dropbox.clock
    }

    /// All cursors given out so far are answered with `reset`.
    pub fn reset_cursors(&self) {
        self.dropbox.reset_cursors();
    }

    /// What a move that changes only case does.
    pub fn set_case_renames(&self, mode: CaseRenames) {
        self.dropbox.world().case_renames = mode;
    }

    /// Whether names may hold characters beyond the basic plane, as they may since late 2025.
    pub fn set_emoji(&self, allowed: bool) {
        self.dropbox.world().emoji = allowed;
    }

    /// How overlapping commits in one namespace behave; without it they do not notice each other.
    pub fn set_contention(&self, contention: Option<Contention>) {
        self.dropbox.quirks().contention = contention;
    }

    /// How many requests an account may make.
    pub fn set_rate_limit(&self, limit: Option<RateLimit>) {
        self.dropbox.quirks().rate_limit = limit;
    }

    /// The longest that a long poll without news lasts beyond its timeout: 90 seconds unless set.
    pub fn set_longpoll_jitter(&self, longest: Duration) {
        self.dropbox.quirks().longpoll_jitter = longest.as_secs();
    }

    /// Long polls tell their caller to stay away for so long.
    pub fn set_longpoll_backoff(&self, backoff: Option<Duration>) {
        self.dropbox.quirks().longpoll_backoff = backoff.map(|backoff| backoff.as_secs());
    }

    /// How many entries a page has when the caller names no limit: 500 unless set.
    pub fn set_page(&self, entries: u64) {
        self.dropbox.quirks().page = entries.max(1);
    }

    /// How often a job says that it is in progress before it is complete: once unless set.
    pub fn set_job_polls(&self, polls: u32) {
        self.dropbox.quirks().job_polls = polls;
    }

    /// How far the `Date` header of answers is off.
    pub fn set_date_off(&self, by: SignedDuration) {
        self.dropbox.quirks().date_off = by;
    }
}

impl Drop for DropboxSim {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
