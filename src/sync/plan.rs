//! The planner's vocabulary: trees as values in, steps as values out. No I/O, no clock, no randomness.
//!
//! What a step does to the trees, in one transaction with what it did to the world:
//! - A plan holds at most one step per node; what is left of a decision is planned again from the trees that the step left behind.
//! - Whenever a step leaves L and R agreeing on a node's place, S takes that place; the same for its content; a missing row is
//!   written once they agree on both. A node that L and R both lack loses its S row.
//! - A move that gives a file another revision changes no bytes: where L (clean) and S had the old revision they get the new one.
//! - S is a set of memories, not a tree: a row may outlive its folder's row, and two may remember one place.
//! - Names that differ only in Unicode normalisation are one name wherever the provider takes them for one: such a difference
//!   between L and R is left alone.
//! - A name for which [`is_aside`] holds is on its way somewhere else: it is no place that anybody chose.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{ContentHash, EntryName, NameRules, NodeId, NodeKind, RemoteId, Revision};

/// Where a node is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// Folder.
    pub parent: NodeId,
    /// Name in the folder.
    pub name: EntryName,
}

/// Content of a node as one tree knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// A folder has none of its own.
    Folder,
    /// A link's target.
    Symlink(String),
    /// A provider version of a file.
    Version {
        /// Which content.
        revision: Revision,
        /// Bytes.
        size: u64,
        /// Hash, if known.
        hash: Option<ContentHash>,
    },
    /// Bytes that were edited here (L only).
    Staged {
        /// The provider revision that the edit was made on; `None` for a file made here.
        based_on: Option<Revision>,
        /// Bytes.
        size: u64,
        /// Hash, once computed for this generation.
        hash: Option<ContentHash>,
    },
}

/// A node as R or S knows it, or L.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Side {
    /// Where.
    pub place: Place,
    /// What.
    pub content: Content,
    /// The provider's id (R and S; `None` in L).
    pub rid: Option<RemoteId>,
}

/// A node in the three trees. The root is not among them: it is the parent [`NodeId::ROOT`] and never changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeTrees {
    /// What it is; the same in all trees.
    pub kind: NodeKind,
    /// L.
    pub local: Option<Side>,
    /// R.
    pub remote: Option<Side>,
    /// S.
    pub synced: Option<Side>,
    /// Not to be acted on now (local-only name, still open for writing, not yet quiet, held, backing off): the planner uses it as
    /// context and makes no step for it that [`Blocked`] forbids. A local-only node with S or R rows is treated as deleted in L,
    /// unless S or R has it at the very place where L has it: a name that came from the provider, or a rule younger than the file,
    /// deletes nothing.
    pub blocked: Option<Blocked>,
}

/// Why a node gets no step now.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Blocked {
    /// Its name or kind never leaves this machine.
    LocalOnly,
    /// The user's filter leaves out the place where the mount has it, or would have it: nothing of it is sent or fetched, and nothing is
    /// deleted at the provider. What both sides have alike goes from the mount; what was changed here stays as it is.
    LeftOut,
    /// Somebody has it open for writing: its content is neither uploaded nor replaced; it may be moved.
    OpenForWriting,
    /// Changed less than the quiet time ago: nothing is sent yet; remote changes may be applied where they do not touch it.
    NotQuiet,
    /// The user holds it back: as `NotQuiet`.
    Held,
    /// It failed and waits for its next try: as `NotQuiet`.
    BackingOff,
}

/// The nodes to plan for and what is around them: every dirty node, the ancestors of each in every tree, and every node that has
/// a dirty node's place (by key) or is below a dirty folder in any tree.
pub type Trees = BTreeMap<NodeId, NodeTrees>;

/// What the planner is allowed to know about the world.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How names compare at the provider.
    pub names: NameRules,
    /// Put into conflict names: ` (conflict DEVICE 2026-03-01 101500)`.
    pub conflict_marker: String,
    /// The provider moves a folder with everything below it.
    pub folder_move: bool,
    /// The provider reports and performs renames that only change case.
    pub reports_case_rename: bool,
    /// The provider stores symbolic links.
    pub symlinks: bool,
    /// Propagating deletions to either side needs a confirmation (mass-delete guard): at most this many deletions, unless confirmed.
    pub delete_guard: Option<DeleteGuard>,
}

/// The mass-delete guard: trips when one plan would delete more than `max_nodes` **and** more than `max_percent` of the vault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeleteGuard {
    /// Nodes in the vault.
    pub total_nodes: u64,
    /// Trips above this many.
    pub max_nodes: u64,
    /// And above this share.
    pub max_percent: u64,
}

/// One step. Each is conditional on the rows that it was planned from ([`Planned::node`]'s three sides, and those of the node that it
/// adopts): the executor re-reads them inside its transaction and drops the step, without error, if they differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Compute the hash of staged bytes, so that equality with R or S can be decided. Afterwards plan again.
    HashLocal,
    /// Make the folder at the provider. The place differs from L's if a folder that was deleted there is needed again and its name is
    /// taken by now; S then keeps L's place, so that the other name counts as a move at the provider.
    CreateRemoteFolder(Place),
    /// Make the link at the provider.
    CreateRemoteSymlink(Place),
    /// Send staged (or, for a revived file, clean) content as a new file.
    UploadNew(Place),
    /// Send staged content as the next version.
    UploadOver {
        /// Refused by the provider if it is at another revision.
        expected: Revision,
    },
    /// Move at the provider.
    MoveRemote(Place),
    /// Move at the provider to a reserved temporary name ([`aside_name`]) in the folder where it is: breaks a cycle of names, or a
    /// rename of case only. S keeps the old place.
    MoveRemoteAside,
    /// Delete at the provider: a file at this revision, a link, or an empty folder. Bytes that L goes on showing (the name is local-only
    /// now) are brought here first.
    DeleteRemote {
        /// For files.
        expected: Option<Revision>,
    },
    /// Show in the mount what R has: a placeholder, folder or link, under the same node id. The place differs from R's if the name is
    /// taken here by something that keeps it; S then takes R's place, so that the other name counts as a local move.
    CreateLocal(Place),
    /// Replace local content by R's version; the replaced one goes to history if its bytes are here. It is clean, or staged bytes
    /// whose hash says that they are the same as S's.
    UpdateLocal,
    /// Move in the mount. The place may be an [`aside_name`] for an instant, when the provider swapped names.
    MoveLocal(Place),
    /// Take out of the mount and out of S what the provider keeps: the user's filter leaves it out. Folders must be empty by then.
    LeaveOut,
    /// Remove from the mount (content that is here goes to history). Folders must be empty by then: local-only entries of a folder
    /// that is deleted have such a step of their own.
    DeleteLocal,
    /// Two contents, both kept: local bytes become a new node at the given place, this node gets R's version. Recorded as a conflict.
    KeepBoth {
        /// Where the local bytes go.
        ours: Place,
    },
    /// L and R made the same thing at the same place: `node` (without R row) takes over the R row of `remote` (in R only), which
    /// disappears. What R has below `remote` is below `node` from then on. An S row of `node` stays.
    Adopt {
        /// The node that R knows.
        remote: NodeId,
    },
    /// L and R agree (place and content): S := both. L's content becomes clean at R's version, without transfer: it was staged with
    /// R's hash, or clean at another revision of the same bytes (some providers give a new revision to a file that moved).
    MarkSynced,
    /// Forget S. Gone on both sides; or gone on one side by a deletion that lost: what the other side has counts as created there.
    DropSynced,
}

const ASIDE_PREFIX: &str = ".vaultfs-aside-";

/// The reserved temporary name of a node, for [`Step::MoveRemoteAside`].
pub fn aside_name(node: NodeId) -> EntryName {
    // Never fails: short, and without '/' or NUL.
    EntryName::new(format!("{ASIDE_PREFIX}{node}")).unwrap_or_else(|_| unreachable!("an aside name is a valid name"))
}

/// True for every reserved temporary name, of this device or another.
pub fn is_aside(name: &EntryName) -> bool {
    name.as_str().starts_with(ASIDE_PREFIX)
}

/// A step for a node, with the steps (indexes into [`Plan::steps`]) that must have succeeded before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// Whose.
    pub node: NodeId,
    /// What to do.
    pub step: Step,
    /// Indexes of steps of this plan that come first. Steps without an order between them commute.
    pub after: Vec<usize>,
    /// Why, in the words of the decision tables: `E x D: edit wins`. For `queue`, `sync --dry-run`, logs and coverage counts.
    pub reason: &'static str,
}

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// Steps.
    pub steps: Vec<Planned>,
    /// Nodes on which all trees agree, and local-only ones that no other tree knows: their dirty mark can go.
    pub settled: BTreeSet<NodeId>,
    /// Deletions that the mass-delete guard keeps back.
    pub guarded: Vec<NodeId>,
    /// Cells of the decision tables that this plan went through (`file E x D`), with counts: for coverage.
    pub cells: BTreeMap<&'static str, u64>,
}
