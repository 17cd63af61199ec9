//! Requests by name, for people: in the report, and in the last words of a process that is made to exit.

use std::{fmt, time::Duration};

use macadam_core::{InFlight, Outcome, RequestContext, Route, Stage, context::Id};
use tokio::time::Instant;

/// A request that the shutdown cut, as far as its context knew it.
///
/// Nothing in it is a peer's to choose but the id, which is harmless text of 128 bytes at most ([`Id`]). The path is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutRequest {
    id: Option<Id>,
    method: &'static str,
    route: Option<Route>,
    age: Duration,
    stage: Stage,
}

impl CutRequest {
    pub(crate) fn of(context: &RequestContext) -> Self {
        Self {
            id: context.request_id(),
            method: context.wire().method_name(),
            route: context.route(),
            age: Instant::now().saturating_duration_since(context.arrival()),
            stage: context.stage(),
        }
    }

    /// Its id, if it was given one.
    pub fn request_id(&self) -> Option<&str> {
        self.id.as_ref().map(Id::as_str)
    }

    /// Its method; `_OTHER` for one that is not in RFC 9110 or 5789.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// Its route, if routing was over.
    pub fn route(&self) -> Option<Route> {
        self.route
    }

    /// How long it had been in flight, from its arrival.
    pub fn age(&self) -> Duration {
        self.age
    }

    /// Where it was.
    pub fn stage(&self) -> Stage {
        self.stage
    }
}

impl fmt::Display for CutRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, route, age, stage, .. } = self;
        let id = self.request_id().unwrap_or("(no id)");
        let route = route.map_or("(no route)", Route::as_str);
        write!(f, "{id} {method} {route}, {:.3} s old, {stage}", age.as_secs_f64())
    }
}

/// Who is in flight: all of them counted, the first few by name.
#[derive(Debug, Default)]
pub(crate) struct RollCall {
    pub(crate) total: usize,
    pub(crate) named: Vec<CutRequest>,
}

impl RollCall {
    /// Those who are in flight now.
    pub(crate) fn now(in_flight: &InFlight) -> Self {
        let mut roll = Self::default();
        in_flight.for_each(|context| {
            roll.total += 1;
            roll.name(context.filter(|context| context.outcome() == Outcome::Pending));
        });
        roll
    }

    /// How many have no name here.
    pub(crate) fn unnamed(&self) -> usize {
        self.total.saturating_sub(self.named.len())
    }

    /// Adds a name while there is room: a log has no use for ten thousand.
    pub(crate) fn name(&mut self, context: Option<&RequestContext>) {
        if let Some(context) = context.filter(|_| self.named.len() < NAMED) {
            self.named.push(CutRequest::of(context));
        }
    }
}

const NAMED: usize = 32;

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn context(method: &str) -> RequestContext {
        let mut request = Request::builder().method(method).uri("/secret?token=1").body(()).unwrap();
        let context = RequestContext::of(&mut request);
        context.set_request_id("id").unwrap();
        context
    }

    #[test]
    fn neither_a_method_that_a_peer_made_up_nor_the_path_is_printed() {
        let cut = CutRequest::of(&context("X'|~!EVIL"));
        assert_eq!((cut.request_id(), cut.method()), (Some("id"), "_OTHER"));
        let said = cut.to_string();
        assert!(!said.contains("EVIL") && !said.contains("secret"), "{said}");
    }

    #[test]
    fn all_are_counted_and_32_are_named() {
        let in_flight = InFlight::with_shards(1);
        let places: Vec<_> = (0..40).map(|_| in_flight.enter(Some(context("GET")))).collect();
        let nameless = in_flight.enter(None);
        let roll = RollCall::now(&in_flight);
        assert_eq!((roll.total, roll.named.len()), (41, 32));
        drop((places, nameless));
    }
}
