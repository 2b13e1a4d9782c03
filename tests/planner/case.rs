//! A hand-written case: the trees as drawn, the first plan, and the end.

use vaultfs::sync::plan::{DeleteGuard, Plan};
use vaultfs::sync::planner::plan;

use super::drawing::{paths, read, steps};
use super::executor::End;
use super::invariants::{converged, plan_is_sound, well_formed};
use super::model::{Settings, World};

/// A provider like a plain folder: names compare as bytes.
pub(crate) const EXACT: Settings = Settings {
    case_insensitive: false,
    hashes: true,
    revision_on_move: false,
    reports_case_rename: true,
    symlinks: true,
    lazy_base: false,
    local_twins: false,
};

/// A provider like Dropbox.
pub(crate) const FOLDED: Settings =
    Settings { case_insensitive: true, reports_case_rename: false, symlinks: false, ..EXACT };

pub(crate) struct Case {
    name: &'static str,
    pub(crate) world: World,
}

/// Begins a case with its drawing.
pub(crate) fn case(settings: Settings, name: &'static str, drawing: &str) -> Case {
    let mut world = World::new(settings);
    read(&mut world, drawing);
    well_formed(&world).expect(name);
    Case { name, world }
}

impl Case {
    pub(crate) fn guard(mut self, total_nodes: u64, max_nodes: u64, max_percent: u64) -> Self {
        self.world.policy.delete_guard = Some(DeleteGuard { total_nodes, max_nodes, max_percent });
        self
    }

    /// The first plan has exactly these steps, in this order.
    pub(crate) fn plans(self, expected: &[&str]) -> Self {
        let planned = self.plan();
        plan_is_sound(&self.world, &planned).expect(self.name);
        assert_eq!(steps(&planned), expected, "{}: steps", self.name);
        self
    }

    /// The first plan went through this cell.
    pub(crate) fn counts(self, cell: &str) -> Self {
        let cells = self.plan().cells;
        assert!(cells.contains_key(cell), "{}: not through {cell}: {cells:?}", self.name);
        self
    }

    /// Run to the end, the mount shows exactly these paths, the provider has the same, and nothing is left to do.
    pub(crate) fn ends_with(mut self, expected: &[&str]) {
        let rest = self.run();
        converged(&self.world, &rest).expect(self.name);
        assert_eq!(paths(&self.world), expected, "{}: end", self.name);
    }

    /// Run until nothing can be done, the mount shows exactly these paths.
    pub(crate) fn rests_with(mut self, expected: &[&str]) {
        self.run();
        assert_eq!(paths(&self.world), expected, "{}: rest", self.name);
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(&self.world.trees, &self.world.policy)
    }

    fn run(&mut self) -> Plan {
        for _ in 0..50 {
            let planned = self.plan();
            if planned.steps.is_empty() {
                return planned;
            }
            let rows = self.world.trees.clone();
            for step in &planned.steps {
                let end = self.world.execute(step, &rows);
                assert_eq!(end, End::Done, "{}: {step:?}", self.name);
            }
            well_formed(&self.world).expect(self.name);
        }
        panic!("{}: no end", self.name);
    }
}
