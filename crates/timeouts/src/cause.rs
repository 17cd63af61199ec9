//! Why a request timed out, and who is told.

use std::{error::Error, fmt};

use macadam_core::{Kind, RequestContext, context::Route};
use tokio::time::Duration;

/// Why a request timed out.
///
/// It is in the extensions of the response that a [`TimeoutLayer`](crate::TimeoutLayer) gives. After the head it is the
/// error with which a body fails, at the end of the `source` chain of whatever wraps that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutCause {
    /// The deadline, whoever's, had passed before the service was called.
    OnArrival,
    /// The service's own deadline passed while it ran: a layer's, a route's, or what the handler made of it.
    Deadline,
    /// A caller's deadline passed while the service ran.
    Inherited,
    /// The deadline, whoever's, passed before the response's body had ended.
    ResponseDeadline,
    /// The service produced nothing of the response's body for too long, while it was asked to.
    ResponseIdle,
    /// The client sent nothing of the request's body for too long, while the service waited for it.
    RequestIdle,
    /// The client sent the request's body more slowly than it may.
    RequestRate,
}

impl TimeoutCause {
    /// Those of a [`TimeoutLayer`](crate::TimeoutLayer), which it counts. They are the first ones, in this order, so that
    /// each is its own index.
    pub(crate) const COUNTED: [Self; 5] =
        [Self::OnArrival, Self::Deadline, Self::Inherited, Self::ResponseDeadline, Self::ResponseIdle];

    /// The word for it in logs and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnArrival => "on-arrival",
            Self::Deadline => "deadline",
            Self::Inherited => "inherited",
            Self::ResponseDeadline => "response-deadline",
            Self::ResponseIdle => "response-idle",
            Self::RequestIdle => "request-idle",
            Self::RequestRate => "request-rate",
        }
    }

    /// How it is answered, where an answer has not begun.
    pub fn kind(self) -> Kind {
        match self {
            Self::OnArrival => Kind::Deadline,
            Self::Deadline | Self::Inherited | Self::ResponseDeadline | Self::ResponseIdle => {
                Kind::DeadlineExceeded
            }
            Self::RequestIdle | Self::RequestRate => Kind::RequestTimeout,
        }
    }
}

impl fmt::Display for TimeoutCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnArrival => "the deadline had passed before the service was called",
            Self::Deadline => "the deadline passed before the service answered",
            Self::Inherited => "the caller's deadline passed before the service answered",
            Self::ResponseDeadline => "the deadline passed before the response had ended",
            Self::ResponseIdle => "the response's body was silent for too long",
            Self::RequestIdle => "the client sent nothing of the request's body for too long",
            Self::RequestRate => "the client sends the request's body too slowly",
        })
    }
}

impl Error for TimeoutCause {}

/// One request that timed out, for [`TimeoutLayer::on_timeout`](crate::TimeoutLayer::on_timeout).
#[derive(Clone, Copy, Debug)]
pub struct TimeoutEvent<'a> {
    pub(crate) cause: TimeoutCause,
    pub(crate) elapsed: Duration,
    pub(crate) budget: Duration,
    pub(crate) context: Option<&'a RequestContext>,
}

impl TimeoutEvent<'_> {
    /// Why.
    pub fn cause(&self) -> TimeoutCause {
        self.cause
    }

    /// From where the budget is counted until now. In a dry run that is how long the request would have needed.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// How long it was allowed to take: from its arrival to its deadline, with what that was moved by; a body that was silent,
    /// how long it may be. In a request without a context it is counted from the service's first Pending.
    pub fn budget(&self) -> Duration {
        self.budget
    }

    /// The matched route, where somebody has left it in the context.
    pub fn route(&self) -> Option<Route> {
        self.context?.route()
    }

    /// All that is known of the request, where it has a context.
    pub fn context(&self) -> Option<&RequestContext> {
        self.context
    }
}
