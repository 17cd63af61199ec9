//! The atomics, locks and wakers that this crate owns: std's, or loom's in the model checker.

#[cfg(not(macadam_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(macadam_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};

use std::sync::PoisonError;

/// Locks, also after a panic: what this crate guards is whole between any two statements under the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of the calling thread, counted in the order in which threads first ask.
#[cfg(not(macadam_loom))]
pub(crate) fn number_of_this_thread() -> usize {
    static NEXT: atomic::AtomicUsize = atomic::AtomicUsize::new(0);
    thread_local!(static NUMBER: usize = NEXT.fetch_add(1, atomic::Ordering::Relaxed));
    // A thread may ask while it is torn down.
    NUMBER.try_with(|number| *number).unwrap_or(0)
}

#[cfg(macadam_loom)]
pub(crate) fn number_of_this_thread() -> usize {
    loom::lazy_static!(static ref NEXT: atomic::AtomicUsize = atomic::AtomicUsize::new(0););
    loom::thread_local!(
        static NUMBER: usize = NEXT.fetch_add(1, atomic::Ordering::Relaxed);
    );
    NUMBER.with(|number| *number)
}
