//! A request's place in its trace, and what the next hop is told of it.

use std::{cell::Cell, sync::Arc};

use http::{HeaderMap, HeaderName};

use super::{
    ids::{self, SpanId, Trace},
    recording::with_recorder,
    w3c::{self, Flags, Parent},
};

/// What becomes of the trace that a caller says it is in (`traceparent`).
///
/// Whoever can send a request can send that header. To continue a stranger's trace lets him write into other people's traces,
/// and have all of his requests recorded, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inbound {
    /// The request continues it, and is recorded if the caller's span is: for a listener that only one's own services reach.
    Trust,
    /// The request begins a trace of its own, with a link to the caller's span.
    #[default]
    Link,
    /// The request begins a trace of its own, and the header is not read.
    Ignore,
}

/// A request's place in its trace, to be told to the next hop. Cheap to clone.
///
/// ```
/// use http::{HeaderMap, Request, Response};
/// use macadam_telemetry::{Inbound, TelemetryLayer, TraceContext};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), std::convert::Infallible> {
/// let service = TelemetryLayer::new().inbound(Inbound::Trust).layer(service_fn(async |_: Request<()>| {
///     let mut headers = HeaderMap::new(); // of the request to the next hop
///     TraceContext::current().unwrap().inject(&mut headers);
///     assert!(headers["traceparent"].to_str().unwrap().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
///     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
/// }));
/// let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// service.oneshot(Request::get("/").header("traceparent", caller).body(()).unwrap()).await?;
/// assert!(TraceContext::current().is_none(), "no request is here");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TraceContext {
    trace: Trace,
    inbound: Inbound,
    /// Somebody records spans here.
    has_recorder: bool,
    caller: Option<Arc<Caller>>,
}

/// Whose trace is continued.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) parent: Parent,
    pub(crate) state: Option<String>,
}

impl TraceContext {
    /// Where a request with these headers stands.
    #[inline]
    pub(crate) fn of(headers: &HeaderMap, inbound: Inbound) -> Self {
        if inbound == Inbound::Trust {
            if let Some(parent) = Parent::read(headers) {
                return Self::continuing(parent, w3c::state(headers));
            }
        }
        let (trace_id, span_id) = ids::begin();
        let decided = with_recorder(|recorder| recorder.samples(trace_id, None));
        let trace = Trace { trace_id, span_id, sampled: decided.unwrap_or_default() };
        Self { trace, inbound, has_recorder: decided.is_some(), caller: None }
    }

    fn continuing(parent: Parent, state: Option<String>) -> Self {
        let Parent { trace_id, flags, .. } = parent;
        let decided = with_recorder(|recorder| recorder.samples(trace_id, Some(flags.sampled)));
        let trace = Trace { trace_id, span_id: SpanId::random(), sampled: decided.unwrap_or_default() };
        let caller = Some(Arc::new(Caller { parent, state }));
        Self { trace, inbound: Inbound::Trust, has_recorder: decided.is_some(), caller }
    }

    /// That of the request whose future or body is being polled, if one is. A task that was spawned has none: give it a clone.
    pub fn current() -> Option<Self> {
        Self::look(Clone::clone).flatten()
    }

    /// Whether the request whose future or body is being polled is sampled, if one is.
    #[cfg(feature = "otel-0_33")]
    pub(crate) fn is_current_sampled() -> Option<bool> {
        Self::look(|current| Some(current.as_ref()?.trace.sampled)).flatten()
    }

    fn look<T>(f: impl FnOnce(&Option<Self>) -> T) -> Option<T> {
        let look = |current: &Cell<Option<Self>>| {
            let taken = current.take();
            let seen = f(&taken);
            current.set(taken);
            seen
        };
        // A thread that is torn down has no current one, and needs none.
        CURRENT.try_with(look).ok()
    }

    /// Nobody records the request's span after all, although that was decided.
    #[cold]
    pub(crate) fn give_up(&mut self) {
        self.trace.sampled = false;
    }

    /// What is told to the next hop: its span's parent, and the state of the trace.
    pub(crate) fn onward(&self) -> (Parent, Option<&str>) {
        let Trace { trace_id, span_id, sampled } = self.trace;
        let caller = self.caller.as_deref();
        let span_id = match caller {
            // The next hop's is a child of the caller's, as if we had not been in between.
            Some(caller) if !self.has_recorder => caller.parent.span_id,
            _ if sampled => {
                with_recorder(|recorder| recorder.innermost(trace_id)).flatten().unwrap_or(span_id)
            }
            _ => span_id,
        };
        let state = caller.and_then(|caller| caller.state.as_deref());
        (Parent { trace_id, span_id, flags: self.flags() }, state)
    }

    /// What is told to the next hop, but for the span.
    pub(crate) fn flags(&self) -> Flags {
        let flags = Flags { sampled: self.trace.sampled, random: true };
        match self.caller.as_deref() {
            None => flags,
            Some(caller) if !self.has_recorder => caller.parent.flags,
            Some(caller) => Flags { random: caller.parent.flags.random, ..flags },
        }
    }

    /// The ids of the request.
    pub fn trace(&self) -> Trace {
        self.trace
    }

    pub(crate) fn has_recorder(&self) -> bool {
        self.has_recorder
    }

    #[cfg(feature = "otel-0_33")]
    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.caller.as_deref()
    }

    #[cfg(feature = "otel-0_33")]
    pub(crate) fn inbound(&self) -> Inbound {
        self.inbound
    }

    /// Tells the next hop, in `traceparent` and, where the caller sent one that counts, in `tracestate`. What the headers say
    /// of a trace is replaced; an empty `tracestate` is never sent.
    ///
    /// The next hop's span becomes a child of the innermost one that is recorded here. Where nobody records any, it becomes a child of
    /// the caller's. `baggage`, which a handler may have copied from its own request, is taken out unless the caller is
    /// [trusted](Inbound::Trust).
    pub fn inject(&self, headers: &mut HeaderMap) {
        let (parent, state) = self.onward();
        parent.write(state, headers);
        if self.inbound != Inbound::Trust {
            headers.remove(BAGGAGE);
        }
    }
}

thread_local!(static CURRENT: Cell<Option<TraceContext>> = const { Cell::new(None) });

/// Makes a context the current one until it is dropped, also by a panic.
pub(crate) struct Entered<'a> {
    other: &'a mut Option<TraceContext>,
}

impl<'a> Entered<'a> {
    #[inline]
    pub(crate) fn new(other: &'a mut Option<TraceContext>) -> Self {
        swap(other);
        Self { other }
    }
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        swap(self.other);
    }
}

#[inline]
fn swap(other: &mut Option<TraceContext>) {
    // Not by `Cell::swap`, which makes sure each time that the two are two.
    let _ = CURRENT.try_with(|current| *other = current.replace(other.take()));
}

const BAGGAGE: HeaderName = HeaderName::from_static("baggage");
