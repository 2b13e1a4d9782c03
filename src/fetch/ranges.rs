//! From wanted blocks to provider reads: pure arithmetic on block runs.

use crate::types::{BLOCK_BYTES, BlockIndex, BlockRun};

/// A run from its bounds.
pub(super) fn run(start: u64, end: u64) -> BlockRun {
    BlockRun { start: BlockIndex(start), end: BlockIndex(end.max(start)) }
}

/// The common part of two runs, possibly empty.
pub(super) fn intersect(left: BlockRun, right: BlockRun) -> BlockRun {
    run(left.start.0.max(right.start.0), left.end.0.min(right.end.0))
}

/// What is left of `whole` without `taken`, which is sorted and does not overlap itself.
pub(super) fn subtract(whole: BlockRun, taken: &[BlockRun]) -> Vec<BlockRun> {
    let mut left = Vec::new();
    let mut at = whole.start.0;
    for hole in taken {
        if hole.start.0 > at {
            left.push(run(at, hole.start.0.min(whole.end.0)));
        }
        at = at.max(hole.end.0);
    }
    if at < whole.end.0 {
        left.push(run(at, whole.end.0));
    }
    left.retain(|part| !part.is_empty());
    left
}

/// Sorts runs and joins those that touch, overlap, or are apart by at most `gap` blocks that `may_join` agrees to read along:
/// a few bytes more are cheaper than another call.
pub(super) fn coalesce(runs: &[BlockRun], gap: u64, may_join: impl Fn(BlockRun) -> bool) -> Vec<BlockRun> {
    let mut sorted: Vec<BlockRun> = runs.iter().copied().filter(|run| !run.is_empty()).collect();
    sorted.sort_by_key(|run| (run.start, run.end));
    let mut joined: Vec<BlockRun> = Vec::with_capacity(sorted.len());
    for next in sorted {
        match joined.last_mut() {
            Some(last) if next.start <= last.end => last.end = last.end.max(next.end),
            Some(last) if next.start.0 - last.end.0 <= gap && may_join(run(last.end.0, next.start.0)) => {
                last.end = next.end;
            }
            Some(_) | None => joined.push(next),
        }
    }
    joined
}

/// Cuts a run into parts of at most `part_bytes` (at least one block each), as equal as whole blocks allow, so that
/// parallel parts end together.
pub(super) fn split(whole: BlockRun, part_bytes: u64) -> impl Iterator<Item = BlockRun> {
    let parts = whole.len().div_ceil((part_bytes / BLOCK_BYTES).max(1));
    (0..parts).map(move |part| {
        let edge = |index: u64| whole.start.0 + whole.len() * index / parts;
        run(edge(part), edge(part + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn near_runs_become_one_read_and_far_ones_do_not() {
        let wanted = [run(10, 12), run(0, 2), run(3, 4), run(11, 14)];
        assert_eq!(coalesce(&wanted, 1, |_| true), [run(0, 4), run(10, 14)]);
        assert_eq!(coalesce(&wanted, 6, |_| true), [run(0, 14)]);
        assert_eq!(coalesce(&wanted, 6, |gap| gap != run(4, 10)), [run(0, 4), run(10, 14)]);
        assert_eq!(coalesce(&[run(5, 5)], 0, |_| true), []);
    }

    #[test]
    fn parts_are_even_and_never_above_the_limit() {
        assert_eq!(split(run(0, 5), 4 * BLOCK_BYTES).collect::<Vec<_>>(), [run(0, 2), run(2, 5)]);
        assert_eq!(split(run(7, 9), 1).collect::<Vec<_>>(), [run(7, 8), run(8, 9)]);
        assert_eq!(split(run(7, 7), BLOCK_BYTES).count(), 0);
    }

    fn blocks(runs: &[BlockRun]) -> Vec<u64> {
        runs.iter().flat_map(|run| run.iter()).map(|block| block.0).collect()
    }

    proptest! {
        #[test]
        fn split_covers_each_block_once(start in 0u64..1000, len in 0u64..500, part in 1u64..40) {
            let whole = run(start, start + len);
            let parts: Vec<BlockRun> = split(whole, part * BLOCK_BYTES).collect();
            prop_assert!(parts.iter().all(|run| !run.is_empty() && run.len() <= part));
            prop_assert_eq!(blocks(&parts), blocks(&[whole]));
        }

        #[test]
        fn subtract_leaves_exactly_the_rest(start in 0u64..40, len in 0u64..40, holes in proptest::collection::vec((0u64..8, 1u64..6), 0..8)) {
            let whole = run(start, start + len);
            let (mut taken, mut at) = (Vec::new(), 0);
            for (skip, width) in holes {
                taken.push(run(at + skip, at + skip + width));
                at += skip + width;
            }
            let held = blocks(&taken);
            let expected: Vec<u64> = blocks(&[whole]).into_iter().filter(|block| !held.contains(block)).collect();
            prop_assert_eq!(blocks(&subtract(whole, &taken)), expected);
        }
    }
}
