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
pub(crate) fn see_to<E: Errand>(errand: &Arc<E>) {
    if errand.state().is_idle() {
        start(errand);
    }
}

#[cold]
fn start<E: Errand>(errand: &Arc<E>) {
    let Ok(runtime) = Handle::try_current() else { return };
    if errand.state().begins() {
        // Made here, and not in the task: a runtime that is shut down drops it unpolled.
        let mut running = Running(Arc::clone(errand));
        runtime.spawn(async move {
            loop {
                running.0.run().await;
                let errand = Arc::clone(&running.0);
                drop(running);
                // Whoever had something to do a moment ago found it being run. It was not idle then; now it is.
                if !errand.is_needed() || !errand.state().begins() {
                    return;
                }
                running = Running(errand);
            }
        });
    }
}

/// Somebody is at it; ends with the task, or with its runtime.
struct Running<E: Errand>(Arc<E>);

impl<E: Errand> Drop for Running<E> {
    fn drop(&mut self) {
        let state = if std::thread::panicking() { DEAD } else { IDLE };
        self.0.state().0.store(state, Release);
    }
}
