//! The atomics, locks, wakers and notifications that this crate owns: the real ones, or the model checker's.

#[cfg(not(macadam_loom))]
pub(crate) use {
    atomic_waker::AtomicWaker,
    crossbeam_utils::atomic::AtomicCell,
    std::{
        sync::{Mutex, MutexGuard, atomic},
        thread::yield_now,
    },
    tokio::sync::Notify,
};

#[cfg(macadam_loom)]
pub(crate) use loom::{
    sync::{Mutex, MutexGuard, atomic},
    thread::yield_now,
};

use std::sync::PoisonError;

/// Locks, also after a panic: what this crate guards is whole between any two statements under the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tokio's, whose calls the model checker sees as steps in one order.
#[cfg(macadam_loom)]
pub(crate) struct Notify {
    inner: tokio::sync::Notify,
    calls: atomic::AtomicUsize,
}

#[cfg(macadam_loom)]
impl Notify {
    pub(crate) fn new() -> Self {
        Self { inner: tokio::sync::Notify::new(), calls: atomic::AtomicUsize::new(0) }
    }

    pub(crate) fn notified(&self) -> tokio::sync::futures::Notified<'_> {
        self.calls.fetch_add(1, atomic::Ordering::AcqRel);
        self.inner.notified()
    }

    pub(crate) fn notify_waiters(&self) {
        self.calls.fetch_add(1, atomic::Ordering::AcqRel);
        self.inner.notify_waiters();
    }
}

/// What `atomic_waker` promises, by a lock that the model checker knows.
#[cfg(macadam_loom)]
pub(crate) struct AtomicWaker(Mutex<Option<std::task::Waker>>);

#[cfg(macadam_loom)]
impl AtomicWaker {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn register(&self, waker: &std::task::Waker) {
        *lock(&self.0) = Some(waker.clone());
    }

    pub(crate) fn take(&self) -> Option<std::task::Waker> {
        lock(&self.0).take()
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }
}

/// What `crossbeam_utils` promises of it, by a lock that the model checker knows.
#[cfg(macadam_loom)]
pub(crate) struct AtomicCell<T>(Mutex<T>);

#[cfg(macadam_loom)]
impl<T: Default> AtomicCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn store(&self, value: T) {
        *lock(&self.0) = value;
    }

    pub(crate) fn take(&self) -> T {
        std::mem::take(&mut *lock(&self.0))
    }
}
