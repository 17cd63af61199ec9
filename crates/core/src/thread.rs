//! A small number for each thread.

#[cfg(not(macadam_loom))]
use std::{cmp::Reverse, collections::BinaryHeap};

#[cfg(not(macadam_loom))]
use crate::sync::{Mutex, lock};

/// The number of the calling thread, which no other thread has while this one lives: the least there was when it first
/// asked. `None` of a thread that has been torn down so far that it has given its number back.
///
/// What the last thread of the same number wrote, this one sees.
#[cfg(not(macadam_loom))]
#[inline]
pub(crate) fn number() -> Option<usize> {
    thread_local!(static NUMBER: Number = Number::take());
    NUMBER.try_with(|number| number.0).ok()
}

/// Given back when the thread ends.
#[cfg(not(macadam_loom))]
struct Number(usize);

/// The numbers that no thread has: those that were given back, and all from `next` on.
#[cfg(not(macadam_loom))]
struct Free {
    given_back: BinaryHeap<Reverse<usize>>,
    next: usize,
}

#[cfg(not(macadam_loom))]
static FREE: Mutex<Free> = Mutex::new(Free { given_back: BinaryHeap::new(), next: 0 });

#[cfg(not(macadam_loom))]
impl Number {
    #[cold]
    fn take() -> Self {
        let mut free = lock(&FREE);
        let number = free.given_back.pop().map_or(free.next, |Reverse(number)| number);
        free.next = free.next.max(number + 1);
        Self(number)
    }
}

#[cfg(not(macadam_loom))]
impl Drop for Number {
    fn drop(&mut self) {
        lock(&FREE).given_back.push(Reverse(self.0));
    }
}

/// In the order in which threads first ask.
#[cfg(macadam_loom)]
pub(crate) fn number() -> Option<usize> {
    use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    loom::lazy_static!(static ref NEXT: AtomicUsize = AtomicUsize::new(0););
    loom::thread_local!(
        static NUMBER: usize = NEXT.fetch_add(1, Relaxed);
    );
    NUMBER.try_with(|number| *number).ok()
}

#[cfg(all(test, not(macadam_loom)))]
mod tests {
    use std::{collections::HashSet, sync::Barrier, thread};

    use super::number;

    #[test]
    fn no_two_threads_that_live_have_one_number_and_who_comes_later_has_one_that_is_free() {
        let (threads, all) = (8, Barrier::new(8));
        let numbers = || {
            thread::scope(|scope| {
                let asked: Vec<_> = (0..threads)
                    .map(|_| {
                        scope.spawn(|| {
                            let first = number();
                            all.wait();
                            (first, number())
                        })
                    })
                    .collect();
                asked.into_iter().map(|asked| asked.join().expect("it ends")).collect::<Vec<_>>()
            })
        };
        let mut highest = 0;
        for _ in 0..100 {
            let numbers = numbers();
            assert!(numbers.iter().all(|(first, again)| first == again && first.is_some()));
            assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), threads);
            highest = highest.max(numbers.iter().flat_map(|(number, _)| *number).max().unwrap_or(0));
        }
        // Other tests have threads too; 800 have been here.
        assert!(highest < 400, "{highest}");
    }
}
