//! The atomic and the lock of the gate: std's, or loom's in the model checker.

#[cfg(not(macadam_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(macadam_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};

use std::sync::PoisonError;

/// Locks, also after a panic: what is guarded here is whole between any two statements under the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
