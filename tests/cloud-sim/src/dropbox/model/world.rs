//! Everything that the service stores, and how its numbers and names are made.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::history::History;
use super::tree::Namespace;
use super::{Entry, Node, NsId, path};
use crate::random::Stream;

/// An account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: Arc<str>,
    pub(crate) given_name: String,
    pub(crate) surname: String,
    pub(crate) email: String,
    pub(crate) home: NsId,
    /// Differs from the home in a team space.
    pub(crate) root: NsId,
    pub(crate) quota: u64,
    pub(crate) disabled: bool,
}

impl Account {
    pub(crate) fn display_name(&self) -> String {
        format!("{} {}", self.given_name, self.surname)
    }
}

pub(crate) struct World {
    pub(crate) accounts: Vec<Account>,
    pub(crate) namespaces: BTreeMap<NsId, Namespace>,
    pub(crate) history: History,
    /// Where each id is, or last was.
    pub(crate) ids: HashMap<Arc<str>, (NsId, Arc<str>)>,
    pub(crate) random: Stream,
    /// Cursors of another epoch are answered with `reset`.
    pub(crate) cursor_epoch: u32,
    /// Whether characters beyond the basic plane may stand in names.
    pub(crate) emoji: bool,
    pub(crate) case_renames: CaseRenames,
    seq: u64,
    revs: u64,
    next_namespace: u64,
}

/// What a move that changes nothing but case does: all three have been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaseRenames {
    /// Success is answered and nothing changes.
    #[default]
    Nothing,
    /// `to/conflict`.
    Refused,
    /// The name changes.
    Work,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            accounts: Vec::new(),
            namespaces: BTreeMap::new(),
            history: History::default(),
            ids: HashMap::new(),
            random: Stream::new(seed, "ids"),
            cursor_epoch: 0,
            emoji: true,
            case_renames: CaseRenames::default(),
            seq: 0,
            revs: 0,
            next_namespace: 2_470_000_001,
        }
    }

    pub(crate) fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| &*account.id == id)
    }

    /// The number that the token endpoint knows an account by.
    pub(crate) fn uid_of(&self, id: &str) -> usize {
        1_234_567 + self.accounts.iter().position(|account| &*account.id == id).unwrap_or(0)
    }

    /// The folder of a confined application, which is a namespace mounted in `/Apps`.
    pub(crate) fn sandbox_of(&mut self, account: &str, app: &str) -> NsId {
        let Some(home) = self.account(account).map(|account| account.home) else { return NsId(0) };
        let display = format!("/Apps/{app}");
        let path: Arc<str> = path::lower(&display).into();
        if let Some(ns) = self.ns(home).mounts.get(&path) {
            return *ns;
        }
        let ns = self.new_namespace();
        self.mount(home, &display, ns);
        ns
    }

    /// Puts an account into the team space, which has a folder for each member's home.
    pub(crate) fn join_team(&mut self, id: &str) {
        let known = self.accounts.iter().find(|account| account.root != account.home).map(|account| account.root);
        let root = known.unwrap_or_else(|| self.new_namespace());
        let Some(account) = self.accounts.iter_mut().find(|account| &*account.id == id) else { return };
        account.root = root;
        let (home, display) = (account.home, format!("/{}", account.display_name()));
        self.mount(root, &display, home);
    }

    /// Takes an account out of its team space; its home is all that it has again.
    pub(crate) fn leave_team(&mut self, id: &str) {
        let Some(account) = self.accounts.iter_mut().find(|account| &*account.id == id) else { return };
        let team = std::mem::replace(&mut account.root, account.home);
        let path: Arc<str> = path::lower(&format!("/{}", account.display_name())).into();
        if self.ns_mut(team).mounts.remove(&path).is_some() {
            self.set(team, path.clone(), path, Node::Deleted);
        }
    }

    pub(crate) fn ns(&self, ns: NsId) -> &Namespace {
        &self.namespaces[&ns]
    }

    pub(crate) fn ns_mut(&mut self, ns: NsId) -> &mut Namespace {
        self.namespaces.entry(ns).or_default()
    }

    /// The number of the last change.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    pub(crate) fn new_namespace(&mut self) -> NsId {
        let ns = NsId(self.next_namespace);
        self.next_namespace += 1;
        self.namespaces.insert(ns, Namespace::default());
        ns
    }

    pub(crate) fn new_id(&self) -> Arc<str> {
        format!("id:{}", self.token::<16>()).into()
    }

    pub(crate) fn new_account_id(&self) -> Arc<str> {
        // 26 bytes are 35 characters.
        format!("dbid:{}", self.token::<26>()).into()
    }

    /// So many random bytes, as text that is safe in URLs.
    pub(crate) fn token<const N: usize>(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.random.bytes::<N>())
    }

    pub(crate) fn new_rev(&mut self, ns: NsId) -> Arc<str> {
        self.revs += 1;
        format!("{:013x}{:08x}", 0x0005_e000_0000_0000_u64 + self.revs, ns.0).into()
    }

    /// Puts a node at a path of a namespace: what stands there afterwards, where its id is, and one more change.
    pub(crate) fn set(&mut self, ns: NsId, path: Arc<str>, display: Arc<str>, node: Node) {
        self.seq += 1;
        let id = match &node {
            Node::File(file) => Some(file.id.clone()),
            Node::Folder { id, .. } => Some(id.clone()),
            Node::Deleted => None,
        };
        if let Some(id) = id {
            self.ids.insert(id, (ns, path.clone()));
        }
        let entry = Entry { display, seq: self.seq, node };
        self.ns_mut(ns).set(path, entry);
    }

    /// Makes the folders above a path that are missing, each with the case that the path gives it.
    pub(crate) fn make_parents(&mut self, ns: NsId, display: &str) {
        let mut missing = Vec::new();
        let mut at = path::parent(display);
        while !at.is_empty() && self.ns(ns).live(&path::lower(at)).is_none() {
            missing.push(at.to_owned());
            at = path::parent(at);
        }
        for folder in missing.into_iter().rev() {
            let display = self.cased(ns, &folder);
            let id = self.new_id();
            self.set(ns, path::lower(&folder).into(), display, Node::Folder { id, mounted: None });
        }
    }

    /// A path as it is displayed: the parent as it is now, the last part as given.
    pub(crate) fn cased(&self, ns: NsId, display: &str) -> Arc<str> {
        let parent = path::parent(display);
        match self.ns(ns).live(&path::lower(parent)) {
            Some(entry) => format!("{}/{}", entry.display, path::name(display)).into(),
            None => display.into(),
        }
    }
}
