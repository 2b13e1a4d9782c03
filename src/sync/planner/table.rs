//! What the decision tables say about a node, and what becomes of it once all nodes are looked at together.

use super::view::{Index, Target};

/// Whose place a surviving node takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum From {
    /// L's.
    Local,
    /// R's. Where nobody moved the node it is L's as well.
    Remote,
}

/// Which way content goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bytes {
    /// Nobody changed it.
    AsTheyAre,
    /// To the provider.
    Up,
    /// To the mount.
    Down,
    /// Both changed it: equal bytes are no conflict, others go by class.
    Both,
}

/// A cell of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cell {
    /// For the coverage count.
    pub(super) key: &'static str,
    /// For people.
    pub(super) reason: &'static str,
    /// Kept or gone.
    pub(super) keep: bool,
    /// Whose place, if kept.
    pub(super) from: From,
    /// Which way, if kept.
    pub(super) bytes: Bytes,
    /// A folder that one side moved and the other deleted.
    pub(super) explicit: bool,
}

impl Cell {
    /// The node survives.
    pub(super) const fn keep(key: &'static str, reason: &'static str, from: From, bytes: Bytes) -> Self {
        Self { key, reason, keep: true, from, bytes, explicit: false }
    }

    /// The node goes wherever it still is.
    pub(super) const fn gone(key: &'static str, reason: &'static str) -> Self {
        Self { key, reason, keep: false, from: From::Remote, bytes: Bytes::AsTheyAre, explicit: false }
    }
}

/// Whether a node is in the tree that both sides will agree on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It is.
    Keep,
    /// A deletion stands against staged bytes whose hash decides: neither kept nor deleted yet.
    Pending,
    /// It is not.
    Gone,
    /// It is of no concern to the other side: local-only, or a name of the provider's that is not shown here.
    Apart,
}

/// What is special about a node's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Naming {
    /// Nothing.
    Free,
    /// It lost its name to another node and got a conflict name.
    Renamed,
    /// It lost its name but may not be renamed now: it takes no place.
    Contested,
    /// It made what the provider has as this node, and adopts it.
    Adopts(Index),
    /// As `Adopts`, but the hash of its bytes has to tell first, or it is blocked.
    MayAdopt,
    /// Another node adopts it.
    Adopted,
    /// Another node may adopt it, which is not decided yet.
    MayBeAdopted,
}

/// What becomes of a node.
#[derive(Clone, Debug)]
pub(super) struct Outcome<'a> {
    /// Whether it is in the final tree.
    pub(super) fate: Fate,
    /// Its place there.
    pub(super) target: Option<Target<'a>>,
    /// Which way its content goes.
    pub(super) bytes: Bytes,
    /// Why.
    pub(super) reason: &'static str,
    /// Cell of the table, for the coverage count.
    pub(super) key: &'static str,
    /// The deletion of one side lost: S forgets the node, which then counts as created on the other side.
    pub(super) forget_base: bool,
    /// A folder that one side moved and the other deleted.
    pub(super) explicit: bool,
    /// L has it, and it is no local-only node.
    pub(super) local: bool,
    /// R has it.
    pub(super) remote: bool,
    /// It never leaves this machine, or is of no concern to the other side for another reason.
    pub(super) local_only: bool,
    /// The user's filter is that reason.
    pub(super) left_out: bool,
    /// Its place is its own local move, which could still be undone.
    pub(super) pending_move: bool,
    /// What is special about its name.
    pub(super) naming: Naming,
}
