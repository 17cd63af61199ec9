//! A request's place in the in-flight table, from its head to its end.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Request, Version, header::CONNECTION, response};
use macadam_core::{End, Guard, Outcome, Phase, RequestContext, Stage};

use super::seat::Seat;
use crate::{ledger::Ledger, streams::Turns};

/// What a [`DrainLayer`](crate::DrainLayer) holds for a request until its response is over.
#[derive(Debug)]
pub struct DrainGuard {
    seat: Box<Seat>,
    /// An HTTP/1 client that may be told to leave.
    close: bool,
    connect: bool,
}

impl DrainGuard {
    #[inline]
    pub(crate) fn enter<B>(ledger: &Arc<Ledger>, request: &mut Request<B>, close_connections: bool) -> Self {
        let context = RequestContext::get_mut(request).map(RequestContext::keep);
        ledger.note_arrival();
        Self {
            seat: Seat::take(ledger, context),
            close: close_connections && request.version() < Version::HTTP_2,
            connect: request.method() == Method::CONNECT,
        }
    }

    pub(crate) fn turns(&self) -> &Arc<Turns> {
        &self.seat.ledger.turns
    }
}

impl Guard for DrainGuard {
    #[inline]
    fn head(&mut self, head: &mut response::Parts) {
        if let Some(context) = self.seat.context() {
            context.set_stage(Stage::Responding);
        }
        if self.close && self.seat.ledger.phase.current() >= Phase::LameDuck {
            // A 101, and a CONNECT that succeeded, hand the connection over to another protocol.
            let handed_over = head.status.is_informational() || (self.connect && head.status.is_success());
            if !handed_over {
                ask_to_leave(&mut head.headers);
            }
        }
    }

    #[inline]
    fn end(self, end: End) {
        let outcome = self.seat.ledger.note(end);
        if let Some(context) = self.seat.context() {
            self.seat.ledger.settle(context, outcome);
            // A request that was cut keeps its stage: the report says where it was.
            if outcome != Outcome::CutByShutdown {
                context.set_stage(Stage::Done);
            }
        }
        self.seat.leave();
    }
}

/// Adds `close` to what the service says of the connection (`Connection: upgrade` of a 426, say), and takes a
/// `keep-alive` back.
fn ask_to_leave(headers: &mut HeaderMap) {
    let close = HeaderValue::from_static("close");
    match headers.get(CONNECTION) {
        Some(said) if !said.as_bytes().eq_ignore_ascii_case(b"keep-alive") => {
            headers.append(CONNECTION, close);
        }
        _ => {
            headers.insert(CONNECTION, close);
        }
    }
}
