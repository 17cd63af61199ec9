//! Whose deadline counts, and how far: what a layer makes of what a caller says.

use std::{fmt, mem, sync::Arc};

use http::{HeaderName, Request, request};
use macadam_core::{Protocol, RequestContext, Wire};
use tokio::time::Duration;

use crate::{handle::TimeoutHandle, header::TimeoutHeader};

/// That, and how far, a [`TimeoutLayer`](crate::TimeoutLayer) takes on the deadlines of callers.
///
/// A caller says in a [header](TimeoutHeader) how long it will wait; where there are several, or several values, the
/// smallest well-formed one counts. It runs from the request's arrival, and does not stand still while the handler
/// waits for the client's bytes. One that is longer than the layer's own timeout changes nothing, unless its sender is
/// trusted.
#[derive(Clone)]
pub struct Inherit {
    headers: Arc<[TimeoutHeader]>,
    /// A bit for each length that one of their names has.
    lengths: u64,
    trust: Trust,
    malformed: Malformed,
}

/// What becomes of a request whose header is malformed. Either is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// It is served as if the malformed value were not there.
    #[default]
    Ignore,
    /// It is answered with 400, a gRPC request with the status 13, and the handler does not run.
    Reject,
}

/// Who may have more time than the layer's own timeout, and how much.
#[derive(Clone)]
enum Trust {
    Nobody,
    Everybody { up_to: Duration },
    TheyIf { up_to: Duration, predicate: Predicate },
}

type Predicate = Arc<dyn Fn(&request::Parts) -> bool + Send + Sync>;

/// What a request's headers say of how long its caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brought {
    /// Nothing that counts.
    Nothing,
    Timeout(Duration),
    /// Something malformed, for which the request is refused.
    Malformed,
}

impl Inherit {
    /// A caller can only shorten its request's time, which harms nobody else: right for everyone, strangers included.
    pub fn shorten() -> Self {
        Self::with(Trust::Nobody)
    }

    /// A caller can also lengthen it, up to so much from the arrival: for a service that only other services of yours
    /// call. Nobody gets less for asking for more: where `up_to` is less than the layer's own timeout, that one stays.
    pub fn trust(up_to: Duration) -> Self {
        Self::with(Trust::Everybody { up_to })
    }

    /// As [`trust`](Self::trust), for callers whom `predicate` knows by their request's head.
    ///
    /// It is called for a request that asks for more than the layer's own timeout, and for no other.
    pub fn trust_if(
        up_to: Duration,
        predicate: impl Fn(&request::Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::with(Trust::TheyIf { up_to, predicate: Arc::new(predicate) })
    }

    fn with(trust: Trust) -> Self {
        let inherit = Self { headers: Arc::default(), lengths: 0, trust, malformed: Malformed::Ignore };
        inherit.headers([
            TimeoutHeader::grpc(),
            TimeoutHeader::connect(),
            TimeoutHeader::envoy(),
            TimeoutHeader::millis(X_REQUEST_TIMEOUT_MS),
        ])
    }

    /// The headers that are read, and no others. The default is all four kinds, with `x-request-timeout-ms` for the
    /// one of your own. `grpc-timeout` is read in gRPC requests alone.
    #[must_use]
    pub fn headers(mut self, headers: impl IntoIterator<Item = TimeoutHeader>) -> Self {
        self.headers = headers.into_iter().collect();
        self.lengths = self.headers.iter().fold(0, |lengths, header| lengths | bit(header.name()));
        self
    }

    /// What becomes of a request whose header is malformed. The default is [`Malformed::Ignore`].
    #[must_use]
    pub fn malformed(mut self, malformed: Malformed) -> Self {
        self.malformed = malformed;
        self
    }

    /// Reads what a request brought.
    ///
    /// One walk over the headers that are there, most of which are passed over by their names' lengths: to look up names
    /// that are not there would hash each of them byte by byte.
    pub(crate) fn brought<B>(&self, request: &Request<B>, handle: &TimeoutHandle) -> Brought {
        let mut least: Option<Duration> = None;
        let mut malformed = false;
        for name in request.headers().keys().filter(|name| self.lengths & bit(name) != 0) {
            let Some(header) = self.headers.iter().find(|header| header.name() == name) else { continue };
            if header.is_grpc() && !is_grpc(request) {
                continue;
            }
            for value in request.headers().get_all(name) {
                match header.parse(value) {
                    Some(timeout) => least = Some(least.map_or(timeout, |least| least.min(timeout))),
                    None => malformed = true,
                }
            }
        }
        if malformed {
            handle.count_malformed();
            if self.malformed == Malformed::Reject {
                return Brought::Malformed;
            }
        }
        least.map_or(Brought::Nothing, Brought::Timeout)
    }

    /// The timeout that the layer has beside what a request brought.
    pub(crate) fn timeout_beside<B>(
        &self,
        theirs: Duration,
        request: &mut Request<B>,
        own: Duration,
    ) -> Duration {
        let up_to = match &self.trust {
            _ if theirs <= own => return own,
            Trust::Nobody => return own,
            Trust::Everybody { up_to } => up_to,
            Trust::TheyIf { up_to, predicate } => {
                if !with_parts(request, |head| predicate(head)) {
                    return own;
                }
                up_to
            }
        };
        own.max(*up_to)
    }
}

/// Leaves the deadline that a request brought in its context.
///
/// A request that brought one gets a context, where it has none: who calls on looks for its deadline there.
pub(crate) fn take_on<B>(request: &mut Request<B>, theirs: Duration) {
    let context = RequestContext::of(request);
    // An instant that cannot be told is for ever.
    if let Some(at) = context.arrival().checked_add(theirs) {
        context.inherit_deadline(at);
    }
}

/// Shows a request's head, which is put together of it for the while: to take the request apart would move all of it,
/// also where nobody asks.
fn with_parts<B, T>(request: &mut Request<B>, show: impl FnOnce(&request::Parts) -> T) -> T {
    fn swap<B>(head: &mut request::Parts, request: &mut Request<B>) {
        mem::swap(&mut head.method, request.method_mut());
        mem::swap(&mut head.uri, request.uri_mut());
        mem::swap(&mut head.version, request.version_mut());
        mem::swap(&mut head.headers, request.headers_mut());
        mem::swap(&mut head.extensions, request.extensions_mut());
    }
    let (mut head, ()) = Request::new(()).into_parts();
    swap(&mut head, request);
    let shown = show(&head);
    swap(&mut head, request);
    shown
}

/// The bit of a name's length; those that are longer than any such header's share one.
fn bit(name: &HeaderName) -> u64 {
    1 << name.as_str().len().min(63)
}

fn is_grpc<B>(request: &Request<B>) -> bool {
    let protocol = RequestContext::get(request)
        .map_or_else(|| Wire::of(request).protocol(), |context| context.wire().protocol());
    protocol == Protocol::Grpc
}

impl fmt::Debug for Inherit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inherit")
            .field("headers", &self.headers)
            .field("trust", &self.trust)
            .field("malformed", &self.malformed)
            .finish()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("Nobody"),
            Self::Everybody { up_to } => f.debug_struct("Everybody").field("up_to", up_to).finish(),
            Self::TheyIf { up_to, .. } => {
                f.debug_struct("TheyIf").field("up_to", up_to).finish_non_exhaustive()
            }
        }
    }
}

const X_REQUEST_TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");
