//! The layer: whose id is kept, in which header, and who makes the others.

use std::{fmt, sync::Arc};

use http::HeaderName;
use tower_layer::Layer;

use crate::{
    generate::{Generate, Generator},
    inbound::{Inbound, Policy},
    replaced::RequestIdHandle,
    service::RequestIdService,
};

/// Gives every request one id, and says it wherever the request can be seen. See the [crate](crate) documentation.
#[derive(Clone, Debug)]
pub struct RequestIdLayer {
    settings: Arc<Settings>,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) header: Header,
    pub(crate) policy: Policy,
    pub(crate) on_request: bool,
    pub(crate) generator: Generator,
    pub(crate) handle: RequestIdHandle,
}

/// The header that carries the id.
///
/// Not just a name: each request needs several, and a constant is made for nothing where a clone is a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Header(Option<HeaderName>);

impl RequestIdLayer {
    /// For a service that only other services call: a valid id is kept, whoever sent it.
    pub fn internal() -> Self {
        Self::with(Policy::Everybodys)
    }

    /// For a service that anybody can call: every request gets a new id, whatever it brought.
    pub fn edge() -> Self {
        Self::with(Policy::Nobodys)
    }

    /// For a service that is called from both sides: a valid id is kept where `predicate` trusts its sender.
    ///
    /// It is called once a request, on the request's path, before its id is looked at.
    pub fn accept_if<P>(predicate: P) -> Self
    where
        P: Fn(Inbound<'_>) -> bool + Send + Sync + 'static,
    {
        Self::with(Policy::TheirsIf(Arc::new(predicate)))
    }

    fn with(policy: Policy) -> Self {
        let handle = RequestIdHandle::new();
        let settings = Settings {
            header: Header::default(),
            policy,
            on_request: false,
            generator: Generator::Uuid7,
            handle,
        };
        Self { settings: Arc::new(settings) }
    }

    /// The header that carries the id, in requests and responses. The default is `x-request-id`.
    #[must_use]
    pub fn header(mut self, header: HeaderName) -> Self {
        Arc::make_mut(&mut self.settings).header = Header(Some(header));
        self
    }

    /// Whether a new id is put on a request that brought none, too: for handlers that pass their request on, headers and
    /// all. Off by default, since a handler has [`RequestId`](crate::RequestId) and the header costs one more allocation.
    ///
    /// A request that did bring something bears its id, and nothing else, in any case.
    #[must_use]
    pub fn on_request(mut self, on_request: bool) -> Self {
        Arc::make_mut(&mut self.settings).on_request = on_request;
        self
    }

    /// What makes new ids. The default is [`Uuid7`](crate::Uuid7).
    #[must_use]
    pub fn generator(mut self, generator: impl Generate) -> Self {
        Arc::make_mut(&mut self.settings).generator = Generator::Own(Arc::new(generator));
        self
    }

    /// The layer, and the handle that reads what it counts.
    pub fn pair(self) -> (Self, RequestIdHandle) {
        let handle = self.settings.handle.clone();
        (self, handle)
    }
}

impl<S> Layer<S> for RequestIdLayer {
    type Service = RequestIdService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestIdService::new(inner, Arc::clone(&self.settings))
    }
}

impl Header {
    pub(crate) fn name(&self) -> HeaderName {
        self.0.clone().unwrap_or(X_REQUEST_ID)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("header", &self.header.name())
            .field("policy", &self.policy)
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
