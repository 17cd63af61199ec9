//! A service's future that holds a guard, and hands it on to the response's body.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Response, response};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    guard::{End, Guard, Hold},
    guarded::GuardedBody,
    rule::BodyRule,
};

pin_project! {
    /// Polls a service's future, shows its guard the response's head, and gives the guard to the response's body.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops the service's future first and then ends the guard.
    #[derive(Debug)]
    pub struct GuardedFuture<F, G>
    where
        G: Guard,
    {
        #[pin]
        inner: F,
        rule: BodyRule,
        hold: Hold<G>,
    }
}

impl<F, G: Guard> GuardedFuture<F, G> {
    /// Holds `guard` for the request that `inner` answers.
    pub fn new(inner: F, rule: BodyRule, guard: G) -> Self {
        Self { inner, rule, hold: Hold::new(guard) }
    }

    /// The guard, until the response has it.
    pub fn guard_mut(self: Pin<&mut Self>) -> Option<&mut G> {
        self.project().hold.guard_mut()
    }
}

impl<F, B, E, G> GuardedFuture<F, G>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    G: Guard,
{
    /// Polls, and puts the body into another one when it is there: a response is large, and put into its place but once.
    pub fn poll_map<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        map: impl FnOnce(GuardedBody<B, G>) -> T,
    ) -> Poll<Result<Response<T>, E>> {
        self.poll_response(cx, |_, _, body| body, map)
    }

    /// Polls, and puts the service's body into another one when it is there, inside of the guard: it is that one's end
    /// that the guard sees.
    pub fn poll_map_inside<T: Body>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        map: impl FnOnce(Option<&G>, &response::Parts, B) -> T,
    ) -> Poll<Result<Response<GuardedBody<T, G>>, E>> {
        self.poll_response(cx, map, |body| body)
    }

    #[inline]
    fn poll_response<C: Body, T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        inside: impl FnOnce(Option<&G>, &response::Parts, B) -> C,
        outside: impl FnOnce(GuardedBody<C, G>) -> T,
    ) -> Poll<Result<Response<T>, E>> {
        let this = self.project();
        let (mut head, body) = match ready!(this.hold.polling(|| this.inner.poll(cx))) {
            Ok(response) => response.into_parts(),
            Err(error) => {
                this.hold.end(End::Failed);
                return Poll::Ready(Err(error));
            }
        };
        // The guard is large, so it is told here, and moved but once.
        if let Some(guard) = this.hold.guard_mut() {
            guard.head(&mut head);
        }
        let body = inside(this.hold.guard(), &head, body);
        let unsent = this.hold.begin(&body, this.rule.drops(head.status));
        let body = GuardedBody::begun(body, unsent, this.hold.hand_on());
        Poll::Ready(Ok(Response::from_parts(head, outside(body))))
    }
}

impl<F, B, E, G> Future for GuardedFuture<F, G>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    G: Guard,
{
    type Output = Result<Response<GuardedBody<B, G>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_map(cx, |body| body)
    }
}
