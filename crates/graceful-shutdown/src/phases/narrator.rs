//! One event for each phase, so that a log tells the shutdown as a story.

use std::{convert::Infallible, future};

use macadam_core::Phase;
use tokio::{sync::watch, time::Instant};

use crate::course::Course;

/// Tells each phase once, in order, and late rather than not at all.
#[derive(Debug)]
pub(crate) struct Narrator<'a> {
    course: &'a Course,
    entered: watch::Receiver<Vec<(Phase, Instant)>>,
    told: usize,
}

impl<'a> Narrator<'a> {
    pub(crate) fn new(course: &'a Course) -> Self {
        Self { course, entered: course.entered(), told: 0 }
    }

    /// Tells the phases as they are entered.
    pub(crate) async fn listen(&mut self) -> Infallible {
        loop {
            self.tell();
            if self.entered.changed().await.is_err() {
                return future::pending().await;
            }
        }
    }

    /// Tells the phases entered since the last time.
    pub(crate) fn tell(&mut self) {
        let phases: Vec<_> =
            self.entered.borrow_and_update()[self.told..].iter().map(|entry| entry.0).collect();
        self.told += phases.len();
        phases.into_iter().for_each(|phase| self.event(phase));
    }

    fn event(&self, entered: Phase) {
        let in_flight = self.course.ledger().in_flight.len();
        let reason = self.course.told().borrow().reason.as_ref().map(ToString::to_string);
        let (phase, reason) = (entered.as_str(), reason.as_deref());
        match entered {
            Phase::Serving => tracing::info!(phase, "serving"),
            Phase::LameDuck => {
                tracing::info!(phase, reason, in_flight, "serving on, asking clients to leave");
            }
            Phase::Draining => {
                let lame_duck = self.course.lame_duck_end().map(tracing::field::display);
                tracing::info!(phase, reason, lame_duck, in_flight, "accepting no more, finishing the rest");
            }
            Phase::Closing => tracing::warn!(phase, in_flight, "out of time, cutting the rest"),
            Phase::Cleanup => tracing::info!(phase, in_flight, "the server is gone, running the hooks"),
            Phase::Stopped => tracing::info!(phase, "all is done"),
            _ => {}
        }
    }
}
