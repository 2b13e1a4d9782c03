//! A mutex that knows its place in the lock order. Debug builds panic when a thread takes a lock whose rank is not above
//! every lock that it holds, so that a deadlock by order fails the first test that comes near it.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The lock order, lowest first. A thread takes locks only in increasing rank.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rank {
    /// Serialises changes of the local tree.
    Namespace = 1,
    /// The table of open inodes and handles of a mount.
    Handles = 2,
    /// Content of one open inode.
    OpenFile = 3,
    /// The catalog's writer.
    CatalogWriter = 4,
    /// Block tables of cached and staged files.
    Blocks = 5,
    /// Fetches in flight.
    InFlight = 6,
}

thread_local! {
    static HELD: RefCell<Vec<Rank>> = const { RefCell::new(Vec::new()) };
}

/// A mutex with a rank. Poison is ignored: a panic elsewhere must not turn every later request into another panic.
pub struct RankedMutex<T> {
    rank: Rank,
    inner: Mutex<T>,
}

impl<T> RankedMutex<T> {
    /// Wraps a value.
    pub const fn new(rank: Rank, value: T) -> Self {
        Self { rank, inner: Mutex::new(value) }
    }

    /// Takes the lock.
    ///
    /// # Panics
    /// In debug builds, if the thread already holds a lock of this rank or above.
    pub fn lock(&self) -> RankedGuard<'_, T> {
        if cfg!(debug_assertions) {
            HELD.with_borrow_mut(|held| {
                if let Some(highest) = held.iter().max() {
                    assert!(*highest < self.rank, "lock order: {:?} taken while holding {highest:?}", self.rank);
                }
                held.push(self.rank);
            });
        }
        RankedGuard { rank: self.rank, guard: self.inner.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

/// Proof that a [`RankedMutex`] is held.
pub struct RankedGuard<'a, T> {
    rank: Rank,
    guard: MutexGuard<'a, T>,
}

impl<T> Deref for RankedGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for RankedGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T> Drop for RankedGuard<'_, T> {
    fn drop(&mut self) {
        if cfg!(debug_assertions) {
            HELD.with_borrow_mut(|held| {
                if let Some(at) = held.iter().rposition(|rank| *rank == self.rank) {
                    held.remove(at);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn increasing_ranks_are_fine_and_released_on_drop() {
        let (low, high) = (RankedMutex::new(Rank::Namespace, 1), RankedMutex::new(Rank::Blocks, 2));
        for _ in 0..2 {
            let first = low.lock();
            let second = high.lock();
            assert_eq!(*first + *second, 3);
        }
    }

    #[test]
    #[should_panic(expected = "lock order")]
    fn decreasing_ranks_panic() {
        let (low, high) = (RankedMutex::new(Rank::Namespace, ()), RankedMutex::new(Rank::Blocks, ()));
        let _second = high.lock();
        let _first = low.lock();
    }
}
