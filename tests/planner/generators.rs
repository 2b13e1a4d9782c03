//! Cases: one tree, perturbed twice. A case is plain numbers, so that any part of it can be left out and the rest still means something
//! (numbers pick among what is there); that is what shrinking does.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use vaultfs::sync::plan::Blocked;

use super::model::{Settings, Tree};

/// A node of the common tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seedling {
    pub kind: u8,
    pub parent: u8,
    pub name: u8,
}

/// What somebody does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    CreateFile,
    CreateFolder,
    CreateOther,
    Edit,
    Rename,
    Move,
    Delete,
    Swap,
    Invert,
    Replace,
    RenameOver,
    CaseRename,
    Wrap,
    LikeOther,
}

/// By whom, to what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub tree: Tree,
    pub act: Act,
    pub a: u8,
    pub b: u8,
    pub c: u8,
}

/// A case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub settings: Settings,
    pub base: Vec<Seedling>,
    pub ops: Vec<Op>,
    /// Done between two steps: (after this many steps, what).
    pub later: Vec<(u8, Op)>,
    pub blocks: Vec<(u8, Blocked)>,
    /// How many rounds the blocks last.
    pub blocked_rounds: u8,
    /// One step in this many is lost; 0: none.
    pub drop_one_in: u8,
    /// The root's own row is passed, and R has lost it.
    pub root_lost: bool,
    /// Executes the steps of each plan in two orders and compares.
    pub compare_orders: bool,
    /// A filter leaves something out until nothing more is planned, and is gone then.
    pub filtered: bool,
    /// Order of steps and choice of lost ones.
    pub schedule: u64,
}

impl Case {
    /// True if nothing happens but the plan.
    pub(crate) fn is_undisturbed(&self) -> bool {
        self.later.is_empty()
            && self.drop_one_in == 0
            && self.blocks.is_empty()
            && !self.settings.lazy_base
            && !self.filtered
    }

    /// The case of a seed.
    pub(crate) fn generate(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let case_insensitive = rng.random_bool(0.7);
        let hashes = rng.random_bool(0.85);
        let settings = Settings {
            case_insensitive,
            hashes,
            // Without hashes, nobody could tell such a move from an edit.
            revision_on_move: hashes && rng.random_bool(0.3),
            reports_case_rename: !case_insensitive || rng.random_bool(0.5),
            symlinks: rng.random_bool(0.5),
            lazy_base: rng.random_bool(0.1),
            local_twins: rng.random_bool(0.05),
        };
        let nodes = rng.random_range(1..=12_usize);
        let base =
            (0..nodes).map(|_| Seedling { kind: rng.random(), parent: rng.random(), name: rng.random() }).collect();
        // Half of all operations hit few nodes, so that both sides meet at the same ones.
        let focus: u8 = rng.random();
        let op = |rng: &mut StdRng, tree: Tree| Op {
            tree,
            act: ACTS[rng.random_range(0..ACTS.len())],
            a: if rng.random_bool(0.5) { focus } else { rng.random() },
            b: if rng.random_bool(0.25) { focus } else { rng.random() },
            c: rng.random(),
        };
        let (locals, remotes) = match rng.random_range(0..10_u8) {
            0 => (0, rng.random_range(1..=5)),
            1 => (rng.random_range(1..=5), 0),
            _ => (rng.random_range(1..=4), rng.random_range(1..=4)),
        };
        let mut ops: Vec<Op> = (0..locals).map(|_| op(&mut rng, Tree::Local)).collect();
        ops.extend((0..remotes).map(|_| op(&mut rng, Tree::Remote)));
        let mut later = Vec::new();
        if rng.random_bool(0.2) {
            for _ in 0..rng.random_range(1..=3) {
                let tree = if rng.random() { Tree::Local } else { Tree::Remote };
                later.push((rng.random_range(0..12), op(&mut rng, tree)));
            }
        }
        let blocks = if rng.random_bool(0.15) {
            let count = rng.random_range(1..=3);
            (0..count).map(|_| (rng.random(), BLOCKS[rng.random_range(0..BLOCKS.len())])).collect()
        } else {
            Vec::new()
        };
        Self {
            settings,
            base,
            ops,
            later,
            blocks,
            blocked_rounds: rng.random_range(1..=6),
            drop_one_in: if rng.random_bool(0.2) { rng.random_range(2..=4) } else { 0 },
            root_lost: rng.random_bool(0.002),
            compare_orders: rng.random_bool(0.05),
            filtered: false,
            schedule: rng.random(),
        }
    }

    /// Every case that lacks one part of this one.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        for index in (0..self.base.len()).rev() {
            let mut case = self.clone();
            case.base.remove(index);
            smaller.push(case);
        }
        for index in 0..self.ops.len() {
            let mut case = self.clone();
            case.ops.remove(index);
            smaller.push(case);
        }
        for index in 0..self.later.len() {
            let mut case = self.clone();
            case.later.remove(index);
            smaller.push(case);
        }
        for index in 0..self.blocks.len() {
            let mut case = self.clone();
            case.blocks.remove(index);
            smaller.push(case);
        }
        if self.drop_one_in > 0 {
            smaller.push(Self { drop_one_in: 0, ..self.clone() });
        }
        for change in [
            |settings: &mut Settings| settings.lazy_base = false,
            |settings: &mut Settings| settings.revision_on_move = false,
            |settings: &mut Settings| settings.local_twins = false,
            |settings: &mut Settings| settings.hashes = true,
            |settings: &mut Settings| settings.symlinks = true,
            |settings: &mut Settings| settings.reports_case_rename = true,
            |settings: &mut Settings| settings.case_insensitive = false,
        ] {
            let mut case = self.clone();
            change(&mut case.settings);
            if format!("{:?}", case.settings) != format!("{:?}", self.settings) {
                smaller.push(case);
            }
        }
        smaller
    }
}

/// Weighted by repetition.
const ACTS: &[Act] = &[
    Act::CreateFile,
    Act::CreateFolder,
    Act::CreateFolder,
    Act::CreateOther,
    Act::Edit,
    Act::Edit,
    Act::Edit,
    Act::Edit,
    Act::Rename,
    Act::Rename,
    Act::Move,
    Act::Move,
    Act::Move,
    Act::Move,
    Act::Delete,
    Act::Delete,
    Act::Delete,
    Act::Swap,
    Act::Invert,
    Act::Replace,
    Act::RenameOver,
    Act::CaseRename,
    Act::Wrap,
    Act::LikeOther,
    Act::LikeOther,
];

const BLOCKS: &[Blocked] = &[Blocked::OpenForWriting, Blocked::NotQuiet, Blocked::Held, Blocked::BackingOff];
