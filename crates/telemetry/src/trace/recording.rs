//! Who records the spans of requests, if anybody does, and what he is told besides the fields of the span.
//!
//! It is found in the subscriber that is installed, so that neither the layer nor a service has to be told.

use std::{cell::Cell, thread::LocalKey, time::Duration};

use http::{HeaderMap, StatusCode, Uri};
use macadam_core::{RequestContext, Route};
use tracing::{Dispatch, Span, dispatcher::get_default, level_filters::LevelFilter};

use super::{
    context::TraceContext,
    ids::{SpanId, TraceId},
};
use crate::metrics::Labels;

/// Who records spans.
pub(crate) trait Record {
    /// Whether that of a request in this trace is recorded, whose trusted caller's is or is not, or which has none.
    fn samples(&self, trace_id: TraceId, caller: Option<bool>) -> bool;

    /// That of a request which is sampled.
    fn start(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        context: &RequestContext,
        labels: Labels,
        trace: &TraceContext,
    ) -> Box<dyn Start>;

    /// The innermost one of this trace that the running code is inside of.
    fn innermost(&self, trace_id: TraceId) -> Option<SpanId>;
}

/// A request's span before it begins.
pub(crate) trait Start {
    /// None where a filter keeps the span from whoever records.
    fn begin(self: Box<Self>, span: &Span) -> Option<Box<dyn Recorded>>;
}

/// A request's span that is recorded.
pub(crate) trait Recorded: Send + Sync {
    /// The route is known. It is a field of the span too.
    fn routed(&self, route: Route);

    /// The request is over, so long after its arrival.
    fn end(&self, labels: Labels, status: Option<StatusCode>, took: Duration);
}

fn recorder(_subscriber: &Dispatch) -> Option<&dyn Record> {
    #[cfg(feature = "otel-0_33")]
    if let Some(spans) = _subscriber.downcast_ref::<crate::otel_0_33::RequestSpans>() {
        return Some(spans);
    }
    None
}

/// Runs `f` with who records spans, if anybody does.
#[inline]
pub(crate) fn with_recorder<T>(f: impl FnOnce(&dyn Record) -> T) -> Option<T> {
    // A look at a number, where there is no subscriber, or none for spans of requests.
    if LevelFilter::current() < LevelFilter::INFO {
        return None;
    }
    let mut f = Some(f);
    get_default(|subscriber| Some(f.take()?(recorder(subscriber)?)))
}

thread_local! {
    /// Of the request whose span is being made, whether it is sampled.
    static DECIDED: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Makes the span of a request that is sampled, or is not.
#[inline]
pub(crate) fn decided(sampled: bool, make: impl FnOnce() -> Span) -> Span {
    during(&DECIDED, sampled, make)
}

/// Runs `f` while `cell` has this value, and empties it then, also where a subscriber panics.
#[inline]
pub(crate) fn during<T, R>(cell: &'static LocalKey<Cell<Option<T>>>, value: T, f: impl FnOnce() -> R) -> R {
    struct Emptied<T: 'static>(&'static LocalKey<Cell<Option<T>>>);

    impl<T> Drop for Emptied<T> {
        #[inline]
        fn drop(&mut self) {
            self.0.set(None);
        }
    }

    let _emptied = Emptied(cell);
    cell.set(Some(value));
    f()
}

/// What was decided for the span that is being made, if it is a request's.
#[cfg(feature = "otel-0_33")]
pub(crate) fn is_decided() -> Option<bool> {
    DECIDED.get()
}
