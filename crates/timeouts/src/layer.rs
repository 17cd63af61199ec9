//! The layer: how long a request may take, who may ask, and in which form it is refused.

use std::{fmt, sync::Arc};

use macadam_core::Render;
use tokio::time::Duration;
use tower_layer::Layer;

use crate::{handle::TimeoutHandle, inherit::Inherit, service::TimeoutService};

/// Gives every request a deadline, and an answer when it passes. See the [crate](crate) documentation.
#[derive(Clone, Debug)]
pub struct TimeoutLayer {
    pub(crate) timeout: Duration,
    pub(crate) exposed: bool,
    pub(crate) extras: Option<Arc<Extras>>,
}

/// What not every layer has. Where there is none, a request touches nothing that it shares with others, not even a
/// reference count.
#[derive(Clone, Default)]
pub(crate) struct Extras {
    pub(crate) handle: TimeoutHandle,
    pub(crate) renderer: Option<Arc<dyn Render>>,
    pub(crate) inherit: Option<Inherit>,
}

impl TimeoutLayer {
    /// Bounds the time from a request's arrival to the head of its response.
    ///
    /// Zero refuses every request; [`Duration::MAX`] never ends one.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, exposed: false, extras: None }
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

    /// Replaces the form of this layer's own rejections. The default is the context's, else a problem document.
    #[must_use]
    pub fn on_rejection(mut self, render: impl Render) -> Self {
        Arc::make_mut(self.extras.get_or_insert_default()).renderer = Some(Arc::new(render));
        self
    }

    /// The layer, and the handle that reads what it counts.
    pub fn pair(mut self) -> (Self, TimeoutHandle) {
        let handle = self.extras.get_or_insert_default().handle.clone();
        (self, handle)
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

impl fmt::Debug for Extras {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extras")
            .field("handle", &self.handle)
            .field("inherit", &self.inherit)
            .finish_non_exhaustive()
    }
}
