//! The deadline of the request that the running code works for.

use std::task::{Context, Poll};

use http::Request;
use macadam_core::{RequestContext, context::InContext};
use tokio::task::JoinHandle;
use tower_layer::Layer;
use tower_service::Service;

/// Makes a request's context the current one of all that runs inside, so that [`Deadline::current`] finds its deadline
/// in whatever the handler calls.
///
/// A request without a context has none inside either. What it costs is paid by each poll, so that it is a layer of its
/// own, for the routes that call on.
///
/// [`Deadline::current`]: crate::Deadline::current
#[derive(Clone, Copy, Debug, Default)]
pub struct CurrentLayer;

/// What a [`CurrentLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct CurrentService<S> {
    inner: S,
}

impl<S> Layer<S> for CurrentLayer {
    type Service = CurrentService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CurrentService { inner }
    }
}

impl<S, B> Service<Request<B>> for CurrentService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = InContext<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let context = RequestContext::get(&request).cloned();
        InContext::making(context, || self.inner.call(request))
    }
}

/// Spawns a task that works for the current request: [`Deadline::current`] finds its deadline there too. A task of
/// [`tokio::spawn`] has none.
///
/// The deadline does not end the task. It is what is told to others, and asked for, in there.
///
/// # Panics
///
/// Outside a tokio runtime.
///
/// [`Deadline::current`]: crate::Deadline::current
#[track_caller]
pub fn spawn_with_context<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(InContext::inherited(future))
}

/// Runs `future` as if it worked for no request: for what outlives the one that happened to start it, such as the
/// refreshing of a cache.
pub fn without_context<F>(future: F) -> InContext<F> {
    InContext::without(future)
}
