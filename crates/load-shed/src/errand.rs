//! A task that is there while there is something to do.

use std::{future::Future, sync::Arc};

use tokio::runtime::Handle;

use crate::sync::atomic::{
    AtomicU8,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// What is done now and then, beside the requests.
pub(crate) trait Errand: Send + Sync + 'static {
    /// Where it is noted whether somebody is at it.
    fn state(&self) -> &State;

    /// Does it, until there is nothing left to do.
    fn run(&self) -> impl Future<Output = ()> + Send;

    /// Whether there is something to do after all.
    fn is_needed(&self) -> bool;
}

/// Whether an errand is being run.
#[derive(Default)]
pub(crate) struct State(AtomicU8);

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
/// It has panicked: its runtime has no timer.
const DEAD: u8 = 2;

impl State {
    pub(crate) fn is_idle(&self) -> bool {
        self.0.load(Relaxed) == IDLE
    }

    fn begins(&self) -> bool {
        self.0.compare_exchange(IDLE, RUNNING, AcqRel, Acquire).is_ok()
    }
}

/// Sees to it that the errand is run, if there is a runtime: one look at a byte that hardly ever changes.
///
/// To be called *after* there is something to do: whoever ends it looks once more whether it is needed, after it said that
/// nobody is at it. So one of the two sees the other, if [`is_needed`](Errand::is_needed) looks by a lock or by a
/// read-modify-write of what was written; a mere load may be of before.
pub(crate) fn see_to<E: Errand>(errand: &Arc<E>) {
    if errand.state().is_idle() {
        start(errand);
    }
}

#[cold]
fn start<E: Errand>(errand: &Arc<E>) {
    let Ok(runtime) = Handle::try_current() else { return };
    // Made here, and not in the task: a runtime that is shut down drops it unpolled.
    if let Some(mut running) = Running::begin(errand) {
        runtime.spawn(async move {
            loop {
                running.0.run().await;
                match running.end() {
                    Some(again) => running = again,
                    None => return,
                }
            }
        });
    }
}

/// Somebody is at it; ends with the task, or with its runtime.
pub(crate) struct Running<E: Errand>(Arc<E>);

impl<E: Errand> Running<E> {
    /// Begins, unless somebody else is at it.
    pub(crate) fn begin(errand: &Arc<E>) -> Option<Self> {
        errand.state().begins().then(|| Self(Arc::clone(errand)))
    }

    /// Ends, unless it is needed after all.
    pub(crate) fn end(self) -> Option<Self> {
        let errand = Arc::clone(&self.0);
        drop(self);
        if errand.is_needed() { Self::begin(&errand) } else { None }
    }
}

impl<E: Errand> Drop for Running<E> {
    fn drop(&mut self) {
        let state = if std::thread::panicking() { DEAD } else { IDLE };
        self.0.state().0.store(state, Release);
    }
}
