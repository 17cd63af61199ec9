//! What the drain layer and the shutdown keep together: who is in flight, the phase, how requests end in it, and who has
//! to be told to.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use macadam_core::{End, InFlight, Outcome, Phase, PhaseWatch, RequestContext};

use crate::{requests::NAMED, streams::Turns};

#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) in_flight: InFlight,
    pub(crate) phase: PhaseWatch,
    pub(crate) turns: Arc<Turns>,
    arrived: AtomicU64,
    completed: AtomicU64,
    late: AtomicU64,
    cut: AtomicU64,
    /// The first of them.
    cut_named: Mutex<Vec<RequestContext>>,
}

impl Ledger {
    pub(crate) fn new(in_flight: InFlight, phase: PhaseWatch) -> Self {
        Self {
            turns: Arc::new(Turns::new(phase.clone())),
            in_flight,
            phase,
            arrived: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            late: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            cut_named: Mutex::default(),
        }
    }

    /// Notes a new request.
    #[inline]
    pub(crate) fn note_arrival(&self) {
        let phase = self.phase.current();
        // Not before: the counters are one cache line for all threads, and nobody would read it.
        if phase >= Phase::LameDuck {
            self.arrived.fetch_add(1, Relaxed);
            self.late.fetch_add(u64::from(phase >= Phase::Draining), Relaxed);
        }
    }

    /// Notes that a request ended, and says what that means in the present phase.
    #[inline]
    pub(crate) fn note(&self, end: End) -> Outcome {
        let phase = self.phase.current();
        match end {
            End::Finished => {
                // Nor before, for the same reason.
                if phase >= Phase::LameDuck {
                    self.completed.fetch_add(1, Relaxed);
                }
                end.outcome()
            }
            End::Dropped if phase > Phase::Draining => {
                self.cut.fetch_add(1, Relaxed);
                Outcome::CutByShutdown
            }
            End::Dropped | End::Failed | End::Panicked => end.outcome(),
        }
    }

    /// Gives a request its outcome. One that was cut is remembered by name: the moment at which the table is read for
    /// the report may be too late for it.
    #[inline]
    pub(crate) fn settle(&self, context: &RequestContext, outcome: Outcome) {
        let is_its_own = context.settle(outcome);
        if is_its_own && outcome == Outcome::CutByShutdown {
            self.name_cut(context);
        }
    }

    #[cold]
    fn name_cut(&self, context: &RequestContext) {
        let mut named = self.lock_named();
        if named.len() < NAMED {
            named.push(context.clone());
        }
    }

    /// Requests that came since the shutdown began.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.load(Relaxed)
    }

    /// Responses that were finished since the shutdown began.
    pub(crate) fn completed(&self) -> u64 {
        self.completed.load(Relaxed)
    }

    /// Requests that came when nothing was accepted any more, on connections that were open.
    pub(crate) fn late(&self) -> u64 {
        self.late.load(Relaxed)
    }

    /// Requests that were dropped since their time to drain was over.
    pub(crate) fn cut(&self) -> u64 {
        self.cut.load(Relaxed)
    }

    /// The first of these that have a context.
    pub(crate) fn cut_named(&self) -> Vec<RequestContext> {
        self.lock_named().clone()
    }

    fn lock_named(&self) -> MutexGuard<'_, Vec<RequestContext>> {
        self.cut_named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
