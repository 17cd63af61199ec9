//! How the health reaches those who follow it: what they are told of a shutdown, and how many may wait for news.

use std::{future::pending, sync::Arc};

use macadam_core::{Phase, PhaseWatch};
use tokio::{
    select,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep_until,
};

use crate::drain::OnDrain;

pub(crate) struct Reach {
    phase: Option<PhaseWatch>,
    on_drain: OnDrain,
    polls: Arc<Semaphore>,
    #[cfg(feature = "grpc")]
    watches: Arc<Semaphore>,
}

impl Reach {
    pub(crate) fn new(phase: Option<PhaseWatch>, on_drain: OnDrain) -> Self {
        Self {
            phase,
            on_drain,
            polls: Arc::new(Semaphore::new(POLLS)),
            #[cfg(feature = "grpc")]
            watches: Arc::new(Semaphore::new(WATCHES)),
        }
    }

    pub(crate) fn phase(&self) -> Option<Phase> {
        self.phase.as_ref().map(PhaseWatch::current)
    }

    pub(crate) fn on_drain(&self) -> OnDrain {
        self.on_drain
    }

    /// Whether readiness fails because the process is on its way out.
    pub(crate) fn is_leaving(&self) -> bool {
        self.phase.as_ref().is_some_and(|phase| self.on_drain.fails(phase))
    }

    /// Lets whoever moves the phase know that somebody was told of it.
    pub(crate) fn note_probe(&self) {
        if let Some(phase) = &self.phase {
            phase.note_probe();
        }
    }

    /// How often the way from start to exit has changed what somebody is told. It only ever grows.
    pub(crate) fn turns(&self) -> u64 {
        let Some(phase) = &self.phase else { return 0 };
        let current = phase.current();
        let turns = TURNS.iter().filter(|turn| **turn <= current).count() as u64;
        let has_waited = matches!(self.on_drain, OnDrain::KeepReady(_)) && self.is_leaving();
        turns + u64::from(has_waited)
    }

    /// Waits for the next of them.
    pub(crate) async fn next_turn(&self) {
        let Some(phase) = &self.phase else { return pending().await };
        let next = TURNS.iter().find(|turn| **turn > phase.current());
        let flip = self.on_drain.flips_at(phase).filter(|_| !self.is_leaving());
        let reached = async {
            match next {
                Some(turn) => drop(phase.reached(*turn).await),
                None => pending().await,
            }
        };
        let flipped = async {
            match flip {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        select! {
            () = reached => {}
            () = flipped => {}
        }
    }

    /// A place for who asks to wait, until it is dropped, if one is free.
    pub(crate) fn poll_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.polls).try_acquire_owned().ok()
    }

    /// The same for one who watches over gRPC.
    #[cfg(feature = "grpc")]
    pub(crate) fn watch_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.watches).try_acquire_owned().ok()
    }
}

/// The phases with which somebody is told something else. With the last nobody accepts any more, and who waits on a
/// connection that is to end is answered, so that it can.
const TURNS: [Phase; 3] = [Phase::Serving, Phase::LameDuck, Phase::Draining];
/// Long polls at a time. Platforms and operators are few, and one more is answered at once.
const POLLS: usize = 64;
/// Streams at a time: one for each connection, of which there may be so many. Each takes some hundred bytes.
#[cfg(feature = "grpc")]
const WATCHES: usize = 10_000;
