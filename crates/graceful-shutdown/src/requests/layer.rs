//! The layer that puts requests into the in-flight table.

use std::sync::Arc;

use macadam_core::{InFlight, PhaseWatch};
use tower_layer::Layer;

use super::service::DrainService;
use crate::ledger::Ledger;

/// Keeps each request in the in-flight table until its response is over.
///
/// It makes no context; a request that has one is in the table by name, and gets its
/// [`Stage`](macadam_core::Stage) and [`Outcome`](macadam_core::Outcome) from here. From the lame duck on it asks
/// HTTP/1 clients to leave, by `Connection: close`. It reads no clock, and allocates only until a thread has had as many
/// requests at a time before: of the places that they leave it keeps up to 256 for the next ones.
#[derive(Clone, Debug)]
pub struct DrainLayer {
    ledger: Arc<Ledger>,
    close_connections: bool,
}

impl DrainLayer {
    /// A layer that keeps requests in `in_flight` and follows `phase`: for a phase that is not a
    /// [`Shutdown`](crate::Shutdown)'s, whose layer is [`Shutdown::layer`](crate::Shutdown::layer).
    pub fn new(in_flight: InFlight, phase: PhaseWatch) -> Self {
        Self::of(Arc::new(Ledger::new(in_flight, phase)))
    }

    pub(crate) fn of(ledger: Arc<Ledger>) -> Self {
        Self { ledger, close_connections: true }
    }

    /// Whether HTTP/1 responses carry `Connection: close` from the lame duck on. Default: they do.
    ///
    /// Switch it off behind a server that says so itself, for all that it answers.
    #[must_use]
    pub fn close_connections(mut self, close: bool) -> Self {
        self.close_connections = close;
        self
    }
}

impl<S> Layer<S> for DrainLayer {
    type Service = DrainService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DrainService::new(inner, Arc::clone(&self.ledger), self.close_connections)
    }
}
