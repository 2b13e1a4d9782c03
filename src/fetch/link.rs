//! What the link is like, learned from calls that succeeded: how many bytes one call should ask for so that it takes about half a
//! second, because a reader sees the bytes of a call only when all of them are here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::types::BLOCK_BYTES;

/// No call asks for less, unless less is wanted.
pub(super) const MIN_PART_BYTES: u64 = 256 * 1024;
/// Before anything is known.
const FIRST_PART_BYTES: u64 = 1024 * 1024;

/// Rate of one call, averaged.
#[derive(Debug, Default)]
pub(super) struct Link {
    bytes_per_second: AtomicU64,
}

impl Link {
    /// A call brought `bytes` in `took`.
    pub(super) fn sample(&self, bytes: u64, took: Duration) {
        if bytes < BLOCK_BYTES {
            return; // all latency, no rate
        }
        let micros = took.as_micros().max(1);
        let rate = u64::try_from(u128::from(bytes) * 1_000_000 / micros).unwrap_or(u64::MAX).max(1);
        let known = self.bytes_per_second.load(Ordering::Relaxed);
        let next = if known == 0 { rate } else { (known / 4 * 3).saturating_add(rate / 4).max(1) };
        self.bytes_per_second.store(next, Ordering::Relaxed);
    }

    /// A call brought nothing within its time: ask for less.
    pub(super) fn stalled(&self) {
        let known = self.bytes_per_second.load(Ordering::Relaxed);
        self.bytes_per_second.store((known / 2).max(1), Ordering::Relaxed);
    }

    /// How many bytes one call should ask for at most.
    pub(super) fn part_bytes(&self, provider_limit: u64) -> u64 {
        let part = match self.bytes_per_second.load(Ordering::Relaxed) {
            0 => FIRST_PART_BYTES,
            rate => rate / 2,
        };
        let part = part.max(MIN_PART_BYTES).min(provider_limit.max(BLOCK_BYTES));
        part / BLOCK_BYTES * BLOCK_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_the_rate_between_the_bounds() {
        let (link, limit) = (Link::default(), 8 * 1024 * 1024);
        assert_eq!(link.part_bytes(limit), FIRST_PART_BYTES);
        (0..30).for_each(|_| link.sample(1024 * 1024, Duration::from_secs(8)));
        assert_eq!(link.part_bytes(limit), MIN_PART_BYTES, "a slow link gets small parts");
        (0..30).for_each(|_| link.sample(8 * 1024 * 1024, Duration::from_secs(1)));
        assert!((3..=4).contains(&(link.part_bytes(limit) / (1024 * 1024))));
        (0..30).for_each(|_| link.sample(8 * 1024 * 1024, Duration::from_millis(1)));
        assert_eq!(link.part_bytes(limit), limit, "never above what the provider takes");
        assert_eq!(link.part_bytes(1), BLOCK_BYTES);
        (0..30).for_each(|_| link.stalled());
        assert_eq!(link.part_bytes(limit), MIN_PART_BYTES);
    }
}
