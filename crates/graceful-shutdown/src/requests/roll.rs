//! Who was left, by name, for people: in the report, and in the last words of a process that is made to exit.

use std::{fmt, time::Duration};

use macadam_core::{InFlight, Outcome, RequestContext, Route, Stage, context::Id};
use tokio::time::Instant;
use tracing::Level;

use crate::count::Count;

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

    /// Logs that it was cut: as an error where the process goes with it, else as a warning.
    pub(crate) fn tell(&self, level: Level) {
        // An event's level is part of its place in the code.
        macro_rules! tell {
            ($event:ident) => {
                tracing::$event!(
                    request_id = self.request_id(),
                    http.request.method = self.method,
                    http.route = self.route.map(Route::as_str),
                    age_seconds = self.age.as_secs_f64(),
                    stage = self.stage.as_str(),
                    "a request was cut"
                )
            };
        }
        if level == Level::ERROR { tell!(error) } else { tell!(warn) }
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

/// All of them counted, the first few by name: a log has no use for ten thousand.
#[derive(Clone, Debug)]
pub(crate) struct Roll<T> {
    pub(crate) total: usize,
    pub(crate) named: Vec<T>,
}

impl<T> Default for Roll<T> {
    fn default() -> Self {
        Self { total: 0, named: Vec::new() }
    }
}

impl<T> Roll<T> {
    /// Counts one more, and names it while there is room.
    pub(crate) fn add(&mut self, name: Option<T>) {
        self.total += 1;
        name.into_iter().for_each(|name| self.name(name));
    }

    /// Names one that is counted, while there is room.
    pub(crate) fn name(&mut self, name: T) {
        if self.named.len() < NAMED {
            self.named.push(name);
        }
    }

    /// A line for each name, and one for all those that have none.
    pub(crate) fn write(&self, to: &mut dyn fmt::Write, begin: &str, one: &'static str) -> fmt::Result
    where
        T: fmt::Display,
    {
        self.named.iter().try_for_each(|name| write!(to, "{begin}{name}"))?;
        match self.total.saturating_sub(self.named.len()) {
            0 => Ok(()),
            unnamed => write!(to, "{begin}{}, not named", Count(unnamed, one)),
        }
    }
}

impl Roll<CutRequest> {
    /// The requests that are in flight now.
    pub(crate) fn of(in_flight: &InFlight) -> Self {
        let mut roll = Self::default();
        in_flight.for_each(|context| {
            let pending = context.filter(|context| context.outcome() == Outcome::Pending);
            roll.add(pending.map(CutRequest::of));
        });
        roll
    }
}

pub(crate) const NAMED: usize = 32;

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
        let in_flight = InFlight::new();
        let places: Vec<_> = (0..40).map(|_| in_flight.enter(Some(context("GET")))).collect();
        let nameless = in_flight.enter(None);
        let roll = Roll::of(&in_flight);
        assert_eq!((roll.total, roll.named.len()), (41, 32));
        drop((places, nameless));
    }
}
