//! What waits to be sent.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_queue::ArrayQueue;

/// A queue with an end, between threads that never wait for each other.
///
/// Whoever puts something in takes no lock and wakes nobody: the thread that sends comes to look by itself. What finds no
/// room is dropped and counted.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    waiting: ArrayQueue<T>,
    dropped: AtomicU64,
}

impl<T> Queue<T> {
    /// With room for so many.
    pub(crate) fn new(room: usize) -> Self {
        Self { waiting: ArrayQueue::new(room), dropped: AtomicU64::new(0) }
    }

    /// Puts in what is only made if there is room for it.
    #[inline]
    pub(crate) fn push_with(&self, make: impl FnOnce() -> T) {
        if self.waiting.is_full() || self.waiting.push(make()).is_err() {
            self.lose(1);
        }
    }

    /// Takes out so many at most.
    pub(crate) fn take(&self, most: usize) -> Vec<T> {
        std::iter::from_fn(|| self.waiting.pop()).take(most).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Counts so many that are lost.
    pub(crate) fn lose(&self, count: u64) {
        self.dropped.fetch_add(count, Relaxed);
    }

    /// How many have been lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_and_never_made() {
        let queue = Queue::new(2);
        (0..2).for_each(|number| queue.push_with(|| number));
        queue.push_with(|| unreachable!("there is no room for it"));
        assert_eq!((queue.len(), queue.dropped()), (2, 1));
        assert_eq!(queue.take(1), [0]);
        queue.push_with(|| 2);
        assert_eq!(queue.take(9), [1, 2]);
        assert_eq!(queue.dropped(), 1);
    }
}
