//! Connections that went over to another protocol.

use std::sync::Arc;

use macadam_core::{End, InFlightGuard, Outcome, RequestContext, Stage};

use super::turn::Turn;
use crate::ledger::Ledger;

/// A connection that went over to another protocol, a WebSocket say, for as long as this is there.
///
/// No layer sees what becomes of a connection after its 101, so its handler holds this: the drain then waits for the
/// connection, which is in the table of those in flight under the name of its request, and tells it when to end.
/// Whoever has not let it go when the time to drain is over was cut, and is named in the report.
///
/// [`ShutdownHandle::upgraded`](crate::ShutdownHandle::upgraded) makes it.
#[derive(Debug)]
#[must_use = "the connection leaves the table when this is dropped"]
pub struct Upgraded {
    turn: Turn,
    ledger: Arc<Ledger>,
    context: Option<RequestContext>,
    // The last to be dropped: who waits for an empty table finds everything else done.
    _place: InFlightGuard,
}

impl Upgraded {
    pub(crate) fn enter(ledger: &Arc<Ledger>, request: Option<&RequestContext>) -> Self {
        // The request is over with its head.
        let context = request.map(RequestContext::fork);
        if let Some(context) = &context {
            context.set_stage(Stage::Upgraded);
        }
        Self {
            turn: Turn::new(&ledger.turns),
            _place: ledger.in_flight.enter(context.clone()),
            ledger: Arc::clone(ledger),
            context,
        }
    }

    /// Waits until it is the connection's [`Turn`] to end: its handler then takes leave of the peer (a WebSocket by
    /// Close 1001, *going away*, or 1012, *service restart*), waits a little for the answer, and lets this go.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it keeps its place in the line; so it can stand in a `select!` that is entered again and again.
    pub async fn turn(&mut self) {
        (&mut self.turn).await;
    }
}

impl Drop for Upgraded {
    fn drop(&mut self) {
        let end = if std::thread::panicking() { End::Panicked } else { End::Dropped };
        let outcome = match self.ledger.note(end) {
            Outcome::Cancelled => {
                if self.turn.has_come() {
                    self.turn.end();
                }
                Outcome::Finished
            }
            outcome => outcome,
        };
        if let Some(context) = &self.context {
            self.ledger.settle(context, outcome);
        }
    }
}
