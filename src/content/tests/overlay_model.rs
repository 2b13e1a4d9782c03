//! Staged files against a byte vector: any sequence of writes, appends, cuts, holes, fills from below, syncs and restarts reads as
//! the vector does, overlays included.

use proptest::prelude::*;

use super::*;
use crate::types::{ByteRange, ContentHash, HashKind};

#[derive(Clone, Debug)]
enum Op {
    Write { offset: u64, len: usize, seed: u8 },
    Append { len: usize, seed: u8 },
    Truncate { size: u64 },
    Punch { start: u64, len: u64 },
    Allocate { start: u64, len: u64, keep_size: bool },
    FillBase { block: u64, count: u64 },
    Read { offset: u64, len: usize },
    Hash { kind: HashKind },
    Seek { offset: u64 },
    Keep,
    Sync,
    Reopen,
}

/// Offsets near block edges, where mistakes live.
fn offset() -> impl Strategy<Value = u64> {
    (0..6_u64, prop_oneof![Just(0_i64), -3..3_i64, -40_000..40_000_i64])
        .prop_map(|(block, shift)| u64::try_from(i64::try_from(block * BLOCK_BYTES).unwrap() + shift).unwrap_or(0))
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![1..4_usize, 1..5000_usize, Just(BLOCK), 1..3 * BLOCK]
}

fn op() -> impl Strategy<Value = Op> {
    let wide = || length().prop_map(|len| u64::try_from(len).unwrap());
    prop_oneof![
        6 => (offset(), length(), any::<u8>()).prop_map(|(offset, len, seed)| Op::Write { offset, len, seed }),
        2 => (length(), any::<u8>()).prop_map(|(len, seed)| Op::Append { len, seed }),
        3 => offset().prop_map(|size| Op::Truncate { size }),
        3 => (offset(), wide()).prop_map(|(start, len)| Op::Punch { start, len }),
        1 => (offset(), wide(), any::<bool>())
            .prop_map(|(start, len, keep_size)| Op::Allocate { start, len, keep_size }),
        3 => (0..6_u64, 1..4_u64).prop_map(|(block, count)| Op::FillBase { block, count }),
        3 => (offset(), length()).prop_map(|(offset, len)| Op::Read { offset, len }),
        1 => prop_oneof![Just(HashKind::Dropbox), Just(HashKind::Blake3)].prop_map(|kind| Op::Hash { kind }),
        2 => offset().prop_map(|offset| Op::Seek { offset }),
        1 => Just(Op::Keep),
        1 => Just(Op::Sync),
        1 => Just(Op::Reopen),
    ]
}

/// What the file should be, and what is below it.
struct Model {
    content: Vec<u8>,
    base: Vec<u8>,
}

impl Model {
    fn base_part(&self, run: BlockRun) -> &[u8] {
        let range = run.bytes(u64::try_from(self.base.len()).unwrap());
        &self.base[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
    }

    fn fill(&self, staged: &StagedFile, runs: &[BlockRun]) {
        runs.iter().for_each(|run| staged.fill_base(run.start, self.base_part(*run)).unwrap());
    }

    fn grow_to(&mut self, size: usize) {
        if size > self.content.len() {
            self.content.resize(size, 0);
        }
    }

    fn write(&mut self, staged: &StagedFile, offset: u64, bytes: &[u8]) {
        self.fill(staged, &staged.missing_for_write(ByteRange::at(offset, u64::try_from(bytes.len()).unwrap())));
        staged.write(offset, bytes).unwrap();
        let at = usize::try_from(offset).unwrap();
        self.grow_to(at + bytes.len());
        self.content[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Reads through the overlay as the filesystem does: what is missing is fetched, then everything must be there.
    fn read(&self, staged: &StagedFile, offset: u64, len: usize) -> Vec<u8> {
        match read_staged(staged, offset, len) {
            Ok(bytes) => bytes,
            Err(runs) => {
                self.fill(staged, &runs);
                read_staged(staged, offset, len).expect("filled, so it is here")
            }
        }
    }

    fn fill_all(&self, staged: &StagedFile) {
        self.fill(staged, &staged.missing(ByteRange::new(0, u64::MAX)));
        assert_eq!(staged.overlay_base(), None);
    }

    /// A hole reads as zeros, and up to the next data there is nothing else.
    fn check_holes(&self, staged: &StagedFile, offset: u64) {
        let size = u64::try_from(self.content.len()).unwrap();
        if offset >= size {
            assert_eq!(staged.seek_data(offset).unwrap(), None);
            assert!(staged.seek_hole(offset).is_err());
            return;
        }
        let zeros = |start: u64, end: u64| {
            let range = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
            self.content[range].iter().all(|byte| *byte == 0)
        };
        let data = staged.seek_data(offset).unwrap();
        assert!(data.is_none_or(|data| data >= offset && data < size));
        assert!(zeros(offset, data.unwrap_or(size)), "bytes before the next data at {data:?}");
        let hole = staged.seek_hole(offset).unwrap();
        assert!((offset..=size).contains(&hole));
        if hole < size {
            let next = staged.seek_data(hole).unwrap();
            assert!(next != Some(hole), "a hole is not data");
            assert!(zeros(hole, next.unwrap_or(size)));
        }
    }
}

fn apply(fixture: &mut Fixture, staged: &mut Arc<StagedFile>, model: &mut Model, op: Op) {
    let generation = staged.generation();
    match op {
        Op::Write { offset, len, seed } => {
            model.write(staged, offset, &pattern(seed, len));
            assert!(staged.generation() > generation);
        }
        Op::Append { len, seed } => {
            let bytes = pattern(seed, len);
            let range = ByteRange::at(staged.size(), u64::try_from(len).unwrap());
            model.fill(staged, &staged.missing_for_write(range));
            let size = model.content.len();
            assert_eq!(staged.append(&bytes).unwrap(), u64::try_from(size).unwrap());
            model.content.extend(bytes);
        }
        Op::Truncate { size } => {
            staged.truncate(size).unwrap();
            model.content.resize(usize::try_from(size).unwrap(), 0);
        }
        Op::Punch { start, len } => {
            let range = ByteRange::at(start, len);
            model.fill(staged, &staged.missing_for_write(range.clamp_to(staged.size())));
            staged.punch(range).unwrap();
            let range = range.clamp_to(u64::try_from(model.content.len()).unwrap());
            model.content[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].fill(0);
        }
        Op::Allocate { start, len, keep_size } => {
            staged.allocate(ByteRange::at(start, len), keep_size).unwrap();
            if !keep_size {
                model.grow_to(usize::try_from(start + len).unwrap());
            }
        }
        Op::FillBase { block, count } => {
            let all = u64::try_from(model.base.len()).unwrap().div_ceil(BLOCK_BYTES);
            let run = run(block.min(all), (block + count).min(all));
            staged.fill_base(run.start, model.base_part(run)).unwrap();
            assert_eq!(staged.generation(), generation, "bytes from below are no write");
        }
        Op::Read { offset, len } => {
            let got = model.read(staged, offset, len);
            let at = usize::try_from(offset).unwrap();
            let expected: Vec<u8> = (at..at + len).map(|at| model.content.get(at).copied().unwrap_or(0)).collect();
            assert!(got == expected, "read of {len} bytes at {offset}");
        }
        Op::Hash { kind } => {
            if staged.overlay_base().is_some() {
                assert!(staged.hash(kind).is_err());
                model.fill_all(staged);
            }
            let (hash, generation) = staged.hash(kind).unwrap();
            assert_eq!(hash, ContentHash::of(kind, &model.content));
            let mut bytes = vec![0; model.content.len()];
            staged.read_generation(generation, 0, &mut bytes).unwrap();
            assert!(bytes == model.content);
        }
        Op::Seek { offset } => model.check_holes(staged, offset),
        Op::Keep => {
            // History must not follow what is written afterwards; checked at the end of the case by `kept`.
            if staged.overlay_base().is_none() {
                let name = fixture.store.keep_staged(staged).unwrap();
                let at = u64::try_from(model.content.len() / 2).unwrap();
                let before = model.content.clone();
                model.write(staged, at, b"after");
                let mut kept = Vec::new();
                std::io::Read::read_to_end(&mut fixture.store.open_kept(&name).unwrap(), &mut kept).unwrap();
                assert!(kept == before, "a kept version changed");
            }
        }
        Op::Sync => staged.sync().unwrap(),
        Op::Reopen => {
            // The old object stays until it is replaced, as it would in a process that is killed.
            *fixture = std::mem::replace(fixture, Fixture::new()).reopen();
            *staged = fixture.store.staged(staged.id()).unwrap();
        }
    }
    assert_eq!(staged.size(), u64::try_from(model.content.len()).unwrap());
}

fn check(base: Option<Vec<u8>>, ops: Vec<Op>) {
    let mut fixture = Fixture::new();
    let over = base.as_ref().map(|base| version("base", base.len()));
    let mut staged = fixture.store.stage(StagedId::random(), over.as_ref()).unwrap();
    let base = base.unwrap_or_default();
    let mut model = Model { content: base.clone(), base };
    for op in ops {
        apply(&mut fixture, &mut staged, &mut model, op);
    }
    let got = model.read(&staged, 0, model.content.len());
    let first_difference = got.iter().zip(&model.content).position(|(got, expected)| got != expected);
    assert_eq!(first_difference, None);
    // As much as was never needed is still below.
    model.fill_all(&staged);
    assert!(whole(&staged) == model.content);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_staged_file_reads_as_a_byte_vector(ops in proptest::collection::vec(op(), 1..25)) {
        check(None, ops);
    }

    #[test]
    fn an_overlay_reads_as_a_byte_vector_over_its_base(
        size in (0..5 * BLOCK, any::<bool>()).prop_map(|(size, round)| if round { size / BLOCK * BLOCK } else { size }),
        ops in proptest::collection::vec(op(), 1..25),
    ) {
        check(Some(pattern(9, size)), ops);
    }
}
