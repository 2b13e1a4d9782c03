//! How far ahead of a reader to fetch. Pure: one [`Stream`] per handle, told of every read, answers what to bring besides.
//!
//! Policy: the first read gets what it asked for (at the start of a file a little more: headers). A second read that
//! continues the first proves a sequential reader: the window opens and doubles each time the reader has used half of it, up to the
//! cap, so that what was fetched never exceeds about three times what was read. Any jump closes the window.

use crate::types::ByteRange;

/// Sizes of the window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WindowPolicy {
    /// What a first read at offset 0 brings at least.
    pub header_bytes: u64,
    /// The window when a reader proves to be sequential.
    pub first_bytes: u64,
    /// The widest window.
    pub cap_bytes: u64,
}

impl Default for WindowPolicy {
    fn default() -> Self {
        Self { header_bytes: 128 * 1024, first_bytes: 256 * 1024, cap_bytes: 16 * 1024 * 1024 }
    }
}

/// The kernel sends parts of one sequential read from several threads: this much out of order is still sequential.
const BACKWARD_SLACK_BYTES: u64 = 256 * 1024;
/// As above, forwards. Small, because a reader that strides over more than it reads is a random reader.
const FORWARD_SLACK_BYTES: u64 = 128 * 1024;

/// What is known of one reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Stream {
    /// Where the next sequential read starts; `None` before the first read.
    next: Option<u64>,
    /// Everything from `next` up to here has been asked for.
    ahead_until: u64,
    /// 0: not sequential.
    window: u64,
}

/// What to do besides serving the read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Advice {
    /// Bring this with the read itself, in the same call if possible. Contains the read.
    pub(super) demand: ByteRange,
    /// Bring this before the reader gets there. May be empty.
    pub(super) ahead: ByteRange,
    /// The window that `ahead` is part of.
    pub(super) window: u64,
    /// The reader went elsewhere: what was asked ahead for it is no longer wanted.
    pub(super) jumped: bool,
}

impl Stream {
    /// Notes a read of `range` in a file of `size` bytes.
    pub(super) fn on_read(&mut self, range: ByteRange, size: u64, policy: &WindowPolicy) -> Advice {
        let range = range.clamp_to(size);
        let nothing = ByteRange::at(range.end, 0);
        let Some(next) = self.next else {
            let end = if range.start == 0 { range.end.max(policy.header_bytes.min(size)) } else { range.end };
            *self = Self { next: Some(range.end), ahead_until: end, window: 0 };
            return Advice { demand: ByteRange::new(range.start, end), ahead: nothing, window: 0, jumped: false };
        };
        let from = next.saturating_sub(BACKWARD_SLACK_BYTES);
        let to = next.max(self.ahead_until).saturating_add(FORWARD_SLACK_BYTES);
        if range.start < from || range.start > to {
            let jumped = self.window > 0;
            *self = Self { next: Some(range.end), ahead_until: range.end, window: 0 };
            return Advice { demand: range, ahead: nothing, window: 0, jumped };
        }
        let next = next.max(range.end);
        self.next = Some(next);
        let used_half = next.saturating_add(self.window / 2) >= self.ahead_until;
        if range.end < next || !used_half {
            return Advice { demand: range, ahead: nothing, window: self.window, jumped: false };
        }
        self.window = match self.window {
            0 => policy.first_bytes,
            window => window.saturating_mul(2),
        }
        .min(policy.cap_bytes);
        let ahead = ByteRange::new(self.ahead_until.max(next), next.saturating_add(self.window)).clamp_to(size);
        self.ahead_until = self.ahead_until.max(ahead.end);
        Advice { demand: range, ahead, window: self.window, jumped: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    const SIZE: u64 = 2048 * MIB;
    const POLICY: WindowPolicy = WindowPolicy { header_bytes: 128 * KIB, first_bytes: 256 * KIB, cap_bytes: 16 * MIB };

    fn read(stream: &mut Stream, start: u64, len: u64) -> Advice {
        stream.on_read(ByteRange::at(start, len), SIZE, &POLICY)
    }

    #[test]
    fn a_first_read_brings_the_header_at_the_start_and_nothing_more_elsewhere() {
        let advice = read(&mut Stream::default(), 0, 4 * KIB);
        assert_eq!((advice.demand, advice.ahead.len()), (ByteRange::at(0, 128 * KIB), 0));
        let advice = read(&mut Stream::default(), 9 * MIB, 4 * KIB);
        assert_eq!((advice.demand, advice.ahead.len()), (ByteRange::at(9 * MIB, 4 * KIB), 0));
        let mut small = Stream::default();
        assert_eq!(small.on_read(ByteRange::at(0, 100), 100, &POLICY).demand, ByteRange::at(0, 100));
    }

    #[test]
    fn a_sequential_reader_gets_a_window_that_doubles_to_the_cap_and_is_never_overtaken() {
        let (mut stream, mut fetched, mut widest) = (Stream::default(), 0, 0);
        for step in 0..1024u64 {
            let advice = read(&mut stream, step * 128 * KIB, 128 * KIB);
            assert!(advice.window == widest || advice.window == (2 * widest).clamp(256 * KIB, 16 * MIB));
            assert!(advice.ahead.is_empty() || advice.ahead.start == fetched.max(advice.demand.end), "no gap");
            widest = advice.window;
            fetched = fetched.max(advice.ahead.end).max(advice.demand.end);
            let read = (step + 1) * 128 * KIB;
            assert!(fetched <= 3 * read + 256 * KIB, "{fetched} fetched for {read}");
            if step > 0 {
                assert!(fetched >= read + widest / 2 - 128 * KIB, "the next window is asked for before it is needed");
            }
        }
        assert_eq!(widest, 16 * MIB);
    }

    #[test]
    fn a_jump_closes_the_window_and_says_so_once() {
        let mut stream = Stream::default();
        for step in 0..64 {
            read(&mut stream, step * 128 * KIB, 128 * KIB);
        }
        let advice = read(&mut stream, 900 * MIB, 64 * KIB);
        assert_eq!((advice.jumped, advice.demand.len(), advice.ahead.len()), (true, 64 * KIB, 0));
        let advice = read(&mut stream, 100 * MIB, 64 * KIB);
        assert_eq!((advice.jumped, advice.ahead.len()), (false, 0));
        let advice = read(&mut stream, 100 * MIB + 64 * KIB, 64 * KIB);
        assert_eq!((advice.window, advice.ahead.len()), (256 * KIB, 256 * KIB), "starts small again");
    }

    #[test]
    fn a_striding_reader_stays_random() {
        let mut stream = Stream::default();
        for step in 0..100 {
            let advice = read(&mut stream, MIB + step * 512 * KIB, 64 * KIB);
            assert_eq!((advice.demand.len(), advice.ahead.len()), (64 * KIB, 0));
        }
    }

    #[test]
    fn parts_of_one_read_that_arrive_out_of_order_stay_sequential() {
        let mut stream = Stream::default();
        for pair in 0..40 {
            for part in [1, 0] {
                assert!(!read(&mut stream, (2 * pair + part) * 128 * KIB, 128 * KIB).jumped);
            }
        }
        assert!(stream.window > 2 * MIB);
    }
}
