//! The layer.

use tower_layer::Layer;

use crate::{access::Access, handle::TelemetryHandle, metrics::Scheme, service::Telemetry, trace::Inbound};

/// Opens one span for every request, and closes it when its response is over. See the [crate](crate) documentation.
#[derive(Clone, Debug)]
pub struct TelemetryLayer {
    handle: TelemetryHandle,
    scheme: Scheme,
    inbound: Inbound,
    access: Access,
}

impl TelemetryLayer {
    /// A layer, with a count of its own.
    #[expect(clippy::new_without_default, reason = "a layer is shared by name, never made in passing")]
    pub fn new() -> Self {
        Self {
            handle: TelemetryHandle::new(),
            scheme: Scheme::Http,
            inbound: Inbound::Link,
            access: Access::Info,
        }
    }

    /// The scheme by which clients reach the service, for requests that do not say it: those of HTTP/1. `http` by default.
    #[must_use]
    pub fn scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// What becomes of the trace that a caller says it is in. [`Link`](Inbound::Link) by default.
    #[must_use]
    pub fn inbound(mut self, inbound: Inbound) -> Self {
        self.inbound = inbound;
        self
    }

    /// At which level the access event is written. [`Info`](Access::Info) by default.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// The layer, and the handle that reads how many requests are active.
    pub fn pair(self) -> (Self, TelemetryHandle) {
        let handle = self.handle.clone();
        (self, handle)
    }
}

impl<S> Layer<S> for TelemetryLayer {
    type Service = Telemetry<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Telemetry::new(inner, self.handle.clone(), self.scheme, self.inbound, self.access)
    }
}
