//! A tower service, as hyper calls it: once a request, by one connection.

use std::{
    cell::RefCell,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONNECTION, EXPECT},
    response,
};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use macadam_core::{
    End, Guard, GuardedBody, GuardedFuture, Kind, Rejection, RequestContext, ResponseBody, Wire,
};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    body::Body, conn::Conn, http1::Drain, http2::CancelBody, mechanism::Mechanism, order::Order,
    reason::CloseReason,
};

/// The bounds of [`Server::serve`](crate::Server::serve), in one name.
pub(crate) trait App:
    Service<Request<Body>, Response = Response<Self::ResBody>, Error: Into<BoxError>, Future: Send + 'static>
    + Clone
    + Send
    + 'static
{
    type ResBody: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> App for S
where
    S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type ResBody = B;
}

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One connection's copy of the service.
pub(crate) struct ConnService<S> {
    // hyper calls through a shared reference, and only from the connection's task.
    service: RefCell<S>,
    conn: Arc<Conn>,
}

impl<S> ConnService<S> {
    pub(crate) fn new(service: S, conn: Arc<Conn>) -> Self {
        Self { service: RefCell::new(service), conn }
    }
}

impl<S: App> hyper::service::Service<Request<Incoming>> for ConnService<S> {
    type Response = Response<GuardedBody<ResponseBody<CancelBody<S::ResBody>>, Exchange>>;
    type Error = BoxError;
    type Future = GuardedFuture<Answer<S>, Exchange>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let conn = &self.conn;
        let wire = Wire::of(&request);
        let is_http1 = wire.is_http1();
        let exchange = Exchange::begin(conn, &request);
        let number = exchange.number;
        let rule = wire.body_rule();
        let context = RequestContext::new(Instant::now(), Some(conn.peer), wire);
        let mut request = request.map(|incoming| Body::new(incoming, conn, &context, number));
        let awaited = request.body().is_awaited().then(|| {
            // Who asked whether to send it has not: reading on would say yes.
            if is_http1 && !request.headers().contains_key(EXPECT) {
                conn.unread.wait_for(number);
            }
            Awaited { conn: Arc::clone(conn), context: context.clone(), number }
        });
        let of_http2 = (!is_http1).then(|| context.clone());
        request.extensions_mut().insert(context);

        let state = State::of(&mut *self.service.borrow_mut(), request);
        GuardedFuture::new(Answer { state, awaited, of_http2 }, rule, exchange)
    }
}

pin_project! {
    /// The service's answer, or a 408 where it failed because the request's body did not come.
    pub(crate) struct Answer<S>
    where
        S: App,
    {
        #[pin]
        state: State<S, S::Future, ResponseBody<CancelBody<S::ResBody>>>,
        awaited: Option<Awaited>,
        of_http2: Option<RequestContext>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B> {
        Running { #[pin] future: F },
        Draining { #[pin] drain: Drain, response: Option<Response<B>> },
        Waiting { service: S, request: Option<Request<Body>> },
        Failed { error: Option<BoxError> },
    }
}

/// What is kept of a request with a body, to answer for a client that did not send it.
struct Awaited {
    conn: Arc<Conn>,
    context: RequestContext,
    number: u64,
}

impl<S: App> State<S, S::Future, ResponseBody<CancelBody<S::ResBody>>> {
    /// Calls the connection's own service where it is ready, which saves a clone a request.
    fn of(service: &mut S, request: Request<Body>) -> Self {
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Self::Running { future: service.call(request) },
            Poll::Ready(Err(error)) => Self::Failed { error: Some(error.into()) },
            Poll::Pending => {
                // The request waits with the one that was asked, and a clone takes its place: it may stand in a queue
                // by now, and would be given a turn that nobody takes.
                let clone = service.clone();
                Self::Waiting { service: mem::replace(service, clone), request: Some(request) }
            }
        }
    }
}

impl<S: App> Future for Answer<S> {
    type Output = Result<Response<ResponseBody<CancelBody<S::ResBody>>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let running = match this.state.as_mut().project() {
                StateProj::Running { future } => {
                    let response = ready!(future.poll(cx)).map_err(Into::into)?;
                    let of_http2 = this.of_http2.take();
                    let response = response.map(|body| CancelBody::new(body, of_http2));
                    let Some(awaited) = this.awaited else {
                        return Poll::Ready(Ok(response.map(ResponseBody::service)));
                    };
                    let response = awaited.settle(response);
                    let Some(drain) = awaited.conn.unread.take() else { return Poll::Ready(Ok(response)) };
                    State::Draining { drain, response: Some(response) }
                }
                StateProj::Draining { drain, response } => {
                    ready!(drain.poll(cx));
                    return Poll::Ready(Ok(response.take().expect("a future is not polled after its end")));
                }
                StateProj::Waiting { service, request } => {
                    ready!(service.poll_ready(cx)).map_err(Into::into)?;
                    let request = request.take().expect("the state is left as the request is taken");
                    State::Running { future: service.call(request) }
                }
                StateProj::Failed { error } => {
                    return Poll::Ready(Err(error.take().expect("a future is not polled after its end")));
                }
            };
            this.state.set(running);
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.conn.unread.forget();
    }
}

impl Awaited {
    /// Extractors make a 400 of a body that fails, which tells the client that it sent something wrong. It sent
    /// nothing, for too long: that is 408, whatever the handler called it.
    fn settle<B>(&self, response: Response<B>) -> Response<ResponseBody<B>> {
        let status = response.status();
        let failed = status.is_client_error() || status.is_server_error();
        let refused = response.extensions().get::<Rejection>().is_some();
        let late = if failed && !refused { self.conn.late(self.number) } else { None };
        let Some(how) = late else { return response.map(ResponseBody::service) };
        let context = &self.context;
        let rejection = Rejection::new(Kind::RequestTimeout).because(how.as_str());
        rejection.into_response(context.wire(), Some(context), None)
    }
}

/// Held from a request's head to the end of its response.
pub(crate) struct Exchange {
    conn: Arc<Conn>,
    number: u64,
    is_http1: bool,
    /// HTTP/2: it has a frame in hand that is not sent.
    waits: bool,
    connects: bool,
}

impl Exchange {
    pub(crate) fn begin<B>(conn: &Arc<Conn>, request: &Request<B>) -> Self {
        Self {
            conn: Arc::clone(conn),
            number: conn.begin(request.version() == Version::HTTP_10),
            is_http1: request.version() < Version::HTTP_2,
            waits: false,
            connects: request.method() == Method::CONNECT,
        }
    }
}

impl Guard for Exchange {
    fn head(&mut self, head: &mut response::Parts) {
        let conn = &self.conn;
        let switches = self.is_http1 && head.status == StatusCode::SWITCHING_PROTOCOLS;
        let upgrades = switches || (self.connects && head.status.is_success());
        if upgrades {
            conn.set_tunnel();
        }
        if self.is_http1 {
            // Only the last of pipelined answers may say so: what stands behind it would be thrown away.
            let leaving =
                conn.is_leaving_soon() && conn.nothing_behind() && conn.house.has(Mechanism::CloseHeader);
            let late = conn.late(self.number).is_some();
            if late {
                conn.close_for(CloseReason::RequestBody);
            }
            if !upgrades && (leaving || late) {
                head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
        } else {
            conn.set_answered();
            if conn.order() >= Order::LameDuck {
                // It may be told to leave now.
                conn.task.wake();
            }
        }
    }

    fn handed_on(&mut self) {
        if !self.is_http1 && !self.waits {
            self.waits = true;
            self.conn.http2.waits();
        }
    }

    fn asked(&mut self) {
        if mem::take(&mut self.waits) {
            self.conn.http2.waits_no_more();
        }
    }

    fn end(mut self, _: End) {
        self.asked();
        self.conn.forget_late(self.number);
        self.conn.response_over();
        // A stream may end without a frame of its own, by the client's reset or its task's drop, and the clocks are the
        // connection's.
        if !self.is_http1 && !self.conn.is_busy() {
            self.conn.task.wake();
        }
    }
}
