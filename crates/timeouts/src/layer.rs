//! The layer: how long a request may take, who may ask, in which form it is refused, and who is told.

use std::{fmt, sync::Arc};

use macadam_core::Render;
use tokio::time::Duration;
use tower_layer::Layer;

use crate::{
    cause::TimeoutEvent, course::Course, handle::TimeoutHandle, inherit::Inherit, narrator,
    service::TimeoutService,
};

/// Gives every request a deadline, and an answer when it passes. See the [crate](crate) documentation.
#[derive(Clone, Debug)]
pub struct TimeoutLayer {
    pub(crate) timeout: Duration,
    pub(crate) exposed: bool,
    pub(crate) dry_run: bool,
    pub(crate) extras: Option<Arc<Extras>>,
}

/// What not every layer has. Where there is none, a request touches nothing that it shares with others, not even a
/// reference count.
#[derive(Clone, Default)]
pub(crate) struct Extras {
    pub(crate) handle: TimeoutHandle,
    pub(crate) renderer: Option<Arc<dyn Render>>,
    pub(crate) inherit: Option<Inherit>,
    response_body_idle: Option<Duration>,
    stream_idle: Option<Duration>,
    hook: Option<Arc<Hook>>,
}

type Hook = dyn Fn(&TimeoutEvent<'_>) + Send + Sync;

impl TimeoutLayer {
    /// Bounds the time from a request's arrival to its response: to the head of one whose length is known then, or that
    /// is a stream, and to the last frame of any other.
    ///
    /// Zero refuses every request; [`Duration::MAX`] never ends one.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, exposed: false, dry_run: false, extras: None }
    }

    /// Leaves the deadline where the handler can ask for it ([`Deadline`](crate::Deadline)), also where no layer
    /// outside has made a context. Making one costs a request its allocations and a clock read.
    #[must_use]
    pub fn expose(mut self) -> Self {
        self.exposed = true;
        self
    }

    /// Takes on the deadlines of callers. Off by default: a layer that nobody told so looks at no header.
    #[must_use]
    pub fn inherit(mut self, inherit: Inherit) -> Self {
        Arc::make_mut(self.extras.get_or_insert_default()).inherit = Some(inherit);
        self
    }

    /// Ends no request and cuts no response, and tells of those that it would have: to the handle, the hook and the log.
    ///
    /// The deadline is left alone, a caller's too, so that nothing inside goes by it either, and a route's timeout moves
    /// this one in place of it. There is no timer: a request is told of once its head is there, or its body has ended, with
    /// the time that it really took, waits for the client's bytes not counted. It costs a request one allocation.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Calls `hook` for every request that times out, in its task, before the handler or the body is dropped. It is not
    /// the place for anything slow.
    #[must_use]
    pub fn on_timeout(mut self, hook: impl Fn(&TimeoutEvent<'_>) + Send + Sync + 'static) -> Self {
        Arc::make_mut(self.extras.get_or_insert_default()).hook = Some(Arc::new(hook));
        self
    }

    /// Replaces the form of this layer's own rejections. The default is the context's, else a problem document.
    #[must_use]
    pub fn on_rejection(mut self, render: impl Render) -> Self {
        Arc::make_mut(self.extras.get_or_insert_default()).renderer = Some(Arc::new(render));
        self
    }

    /// Bounds the silence of a response's body that is no stream: from a poll that found no frame to the next frame. It
    /// is the service that is silent then, since nobody polls for a client that does not read.
    #[must_use]
    pub fn response_body_idle(mut self, idle: Duration) -> Self {
        Arc::make_mut(self.extras.get_or_insert_default()).response_body_idle = Some(idle);
        self
    }

    /// Bounds the silence of a stream in the same way: of an event stream, a gRPC response, or a
    /// `multipart/x-mixed-replace`. A stream that is alive must have something to say within it.
    #[must_use]
    pub fn stream_idle(mut self, idle: Duration) -> Self {
        Arc::make_mut(self.extras.get_or_insert_default()).stream_idle = Some(idle);
        self
    }

    /// The layer, and the handle that reads what it counts.
    pub fn pair(mut self) -> (Self, TimeoutHandle) {
        let handle = self.extras.get_or_insert_default().handle.clone();
        (self, handle)
    }
}

impl TimeoutLayer {
    /// Whether it gives each request its timeout and that is all: nothing comes from the request, and none is refused.
    pub(crate) fn is_usual(&self) -> bool {
        let inherits = self.extras.as_deref().is_some_and(|extras| extras.inherit.is_some());
        !(inherits || self.exposed || self.dry_run || self.timeout.is_zero())
    }
}

impl Extras {
    /// What to make of callers' deadlines, if anything, and who counts it.
    pub(crate) fn inherit(&self) -> Option<(&Inherit, &TimeoutHandle)> {
        self.inherit.as_ref().map(|inherit| (inherit, &self.handle))
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = TimeoutService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TimeoutService::new(inner, self.clone())
    }
}

impl Extras {
    /// How long such a body may be silent.
    pub(crate) fn idle(&self, course: Course) -> Option<Duration> {
        match course {
            Course::Known | Course::Open => self.response_body_idle,
            Course::Stream | Course::Grpc => self.stream_idle,
        }
    }

    /// Tells everybody who wants to know.
    pub(crate) fn tell(extras: Option<&Self>, event: &TimeoutEvent<'_>, dry_run: bool) {
        if let Some(extras) = extras {
            extras.handle.count(event.cause());
            if let Some(hook) = &extras.hook {
                hook(event);
            }
        }
        narrator::hear(event.cause(), dry_run);
    }
}

impl fmt::Debug for Extras {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extras")
            .field("handle", &self.handle)
            .field("inherit", &self.inherit)
            .finish_non_exhaustive()
    }
}
