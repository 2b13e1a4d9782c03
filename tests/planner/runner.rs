//! Runs a case to its end: plan, take the steps in some order that obeys `after`, until nothing is left; checks the invariants on the way.

use std::collections::BTreeMap;
use std::fmt::Write;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use vaultfs::sync::plan::{Blocked, NodeTrees, Plan, Trees};
use vaultfs::sync::planner::plan;
use vaultfs::types::NodeId;

use super::drawing::draw;
use super::executor::End;
use super::generators::{Case, Op};
use super::invariants::{Start, converged, plan_is_sound, well_formed};
use super::model::{Tree, World, local_name};
use super::workload::{apply, plant};

const MOST_ROUNDS: u32 = 200;

/// What a run went through.
#[derive(Default)]
pub(crate) struct Report {
    pub cells: BTreeMap<&'static str, u64>,
    pub rounds: u32,
    pub steps: u64,
}

/// Runs a case. An error says which promise was broken; with `trace`, everything that happened before it is told.
pub(crate) fn run(case: &Case, mut trace: Option<&mut String>) -> Result<Report, String> {
    let mut world = plant(case);
    let mut changed = [false, false];
    for op in &case.ops {
        let side = usize::from(op.tree == Tree::Remote);
        changed[side] |= apply(&mut world, *op);
    }
    let mut run = Run {
        report: Report::default(),
        rng: StdRng::seed_from_u64(case.schedule),
        later: case.later.iter().copied().rev().collect(),
        countdown: 0,
        filtering: case.filtered,
        case,
    };
    run.countdown = run.later.last().map_or(0, |(wait, _)| *wait);
    let start = case.is_undisturbed().then(|| Start::new(&world, changed[0], changed[1]));
    let unfiltered = Case { filtered: false, ..case.clone() };
    let only_filtered =
        (case.filtered && unfiltered.is_undisturbed()).then(|| Start::new(&world, changed[0], changed[1]));
    note(&mut trace, || format!("start\n{}", draw(&world)));
    loop {
        run.report.rounds += 1;
        if run.report.rounds > MOST_ROUNDS {
            return Err(format!("no end after {MOST_ROUNDS} rounds"));
        }
        run.mark_blocked(&mut world);
        let plan = run.plan(&mut world)?;
        note(&mut trace, || format!("round {}\n{}", run.report.rounds, tell(&plan)));
        plan_is_sound(&world, &plan)?;
        if plan.steps.is_empty() {
            if run.rests_only_for_now(&mut world) {
                continue;
            }
            if std::mem::take(&mut run.filtering) {
                note(&mut trace, || "the filter goes".into());
                continue;
            }
            converged(&world, &plan)?;
            break;
        }
        run.take(&mut world, &plan)?;
        well_formed(&world)?;
        note(&mut trace, || draw(&world));
    }
    if let Some(start) = start {
        start.explains(&world)?;
    }
    if let Some(start) = only_filtered {
        start.nothing_is_lost(&world)?;
    }
    Ok(run.report)
}

struct Run<'c> {
    case: &'c Case,
    report: Report,
    rng: StdRng,
    /// Last first.
    later: Vec<(u8, Op)>,
    countdown: u8,
    /// The filter is in force.
    filtering: bool,
}

impl Run<'_> {
    fn blocks_last(&self) -> bool {
        self.report.rounds <= u32::from(self.case.blocked_rounds) && !self.case.blocks.is_empty()
    }

    fn mark_blocked(&self, world: &mut World) {
        for trees in world.trees.values_mut() {
            let name = [&trees.local, &trees.remote, &trees.synced].into_iter().flatten().next();
            let local_only = name.is_some_and(|side| local_name(&side.place.name));
            trees.blocked = local_only.then_some(Blocked::LocalOnly);
        }
        if self.filtering {
            let left_out: Vec<NodeId> = world.trees.keys().copied().filter(|node| world.is_left_out(*node)).collect();
            for node in left_out {
                let trees = world.trees.get_mut(&node).expect("a known node");
                trees.blocked = trees.blocked.or(Some(Blocked::LeftOut));
            }
        }
        if self.blocks_last() {
            let nodes: Vec<NodeId> = world.trees.keys().copied().collect();
            for (pick, blocked) in &self.case.blocks {
                let Some(node) = nodes.get(usize::from(*pick) % nodes.len().max(1)) else { continue };
                let trees = world.trees.get_mut(node).expect("a known node");
                trees.blocked = trees.blocked.or(Some(*blocked));
            }
        }
    }

    fn plan(&mut self, world: &mut World) -> Result<Plan, String> {
        // Time goes on: the marker of the next round is another one.
        world.policy.conflict_marker = format!(" (conflict {})", self.report.rounds);
        if self.case.root_lost && self.report.rounds == 1 {
            let mut trees = world.trees.clone();
            trees.insert(NodeId::ROOT, root_without_remote());
            let plan = plan(&trees, &world.policy);
            for (cell, count) in &plan.cells {
                *self.report.cells.entry(cell).or_default() += count;
            }
            if plan != (Plan { cells: plan.cells.clone(), ..Plan::default() }) {
                return Err("something is done though the root is missing".into());
            }
        }
        let plan = plan(&world.trees, &world.policy);
        if self.case.compare_orders && plan != vaultfs::sync::planner::plan(&world.trees, &world.policy) {
            return Err("the same trees gave another plan".into());
        }
        for (cell, count) in &plan.cells {
            *self.report.cells.entry(cell).or_default() += count;
        }
        Ok(plan)
    }

    /// True if something will still happen by itself: a block ends, somebody does something.
    fn rests_only_for_now(&mut self, world: &mut World) -> bool {
        if self.blocks_last() {
            return true;
        }
        match self.later.pop() {
            Some((_, op)) => {
                apply(world, op);
                self.countdown = self.later.last().map_or(0, |(wait, _)| *wait);
                true
            }
            None => false,
        }
    }

    fn take(&mut self, world: &mut World, plan: &Plan) -> Result<(), String> {
        let rows = world.trees.clone();
        let commutes = self.case.is_undisturbed() && !self.case.settings.revision_on_move;
        let orders = self.case.compare_orders && commutes;
        let mut twin = orders.then(|| world.clone());
        self.take_in_some_order(world, plan, &rows)?;
        if let Some(twin) = &mut twin {
            self.take_in_some_order(twin, plan, &rows)?;
            if twin.trees != world.trees {
                return Err(format!("two orders, two ends:\n{}\nor\n{}", draw(world), draw(twin)));
            }
        }
        Ok(())
    }

    fn take_in_some_order(&mut self, world: &mut World, plan: &Plan, rows: &Trees) -> Result<(), String> {
        let mut open: Vec<usize> = (0..plan.steps.len()).collect();
        let mut done = vec![false; plan.steps.len()];
        let mut failed = vec![false; plan.steps.len()];
        while !open.is_empty() {
            let at = self.rng.random_range(0..open.len());
            let step = &plan.steps[open[at]];
            if step.after.iter().any(|before| !done[*before] && !failed[*before]) {
                continue;
            }
            let index = open.swap_remove(at);
            let lost = self.case.drop_one_in > 0 && self.rng.random_range(0..self.case.drop_one_in) == 0;
            if lost || step.after.iter().any(|before| failed[*before]) {
                failed[index] = true;
                continue;
            }
            let end = world.execute(step, rows);
            self.report.steps += 1;
            match end {
                End::Done => done[index] = true,
                End::Violation(why) => return Err(format!("{} {:?}: {why}", step.node, step.step)),
                End::Stale | End::Refused(_) if !self.case.is_undisturbed() => failed[index] = true,
                // The move of a folder gave what is below it other revisions.
                End::Stale if self.case.settings.revision_on_move => failed[index] = true,
                End::Stale => return Err(format!("{} {:?}: undone by another step", step.node, step.step)),
                End::Refused(why) => return Err(format!("{} {:?}: refused: {why}", step.node, step.step)),
            }
            self.interrupt(world);
        }
        Ok(())
    }

    fn interrupt(&mut self, world: &mut World) {
        if self.countdown > 0 {
            self.countdown -= 1;
        } else if let Some((_, op)) = self.later.pop() {
            apply(world, op);
            self.countdown = self.later.last().map_or(0, |(wait, _)| *wait);
        }
    }
}

fn root_without_remote() -> NodeTrees {
    use vaultfs::sync::plan::{Content, Place, Side};
    use vaultfs::types::{EntryName, NodeKind};
    let place = Place { parent: NodeId::ROOT, name: EntryName::new("root").expect("a valid name") };
    let side = Side { place, content: Content::Folder, rid: None };
    NodeTrees { kind: NodeKind::Folder, local: Some(side.clone()), remote: None, synced: Some(side), blocked: None }
}

fn note(trace: &mut Option<&mut String>, text: impl FnOnce() -> String) {
    if let Some(trace) = trace {
        trace.push_str(&text());
        trace.push('\n');
    }
}

fn tell(plan: &Plan) -> String {
    let mut text = String::new();
    for (index, planned) in plan.steps.iter().enumerate() {
        let _never_fails = writeln!(
            text,
            "  {index}: {} {:?} after {:?}: {}",
            planned.node, planned.step, planned.after, planned.reason
        );
    }
    text
}
