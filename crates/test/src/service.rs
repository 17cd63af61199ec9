//! A service whose every answer the test decides.

use std::{
    any::{Any, type_name},
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use http::{Request, Response};
use tokio::{
    sync::Notify,
    time::{Duration, timeout},
};
use tower_service::Service;

use crate::{Refused, ScriptedBody};

/// A service, and the script by which it is driven.
pub fn service() -> (ScriptedService, Script) {
    let stage = Arc::new(Stage {
        state: Mutex::new(State {
            readiness: Readiness::Ready,
            waiting: Vec::new(),
            arrived: VecDeque::new(),
            calls: 0,
            live_services: 1,
            live_futures: 0,
            violations: Vec::new(),
        }),
        called: Notify::new(),
    });
    (ScriptedService { stage: Arc::clone(&stage), readied: false }, Script { stage })
}

/// Hands every call to its [`Script`].
///
/// It panics where it is called without having been readied; a clone has not been, whatever its original was.
pub struct ScriptedService {
    stage: Arc<Stage>,
    readied: bool,
}

/// Where a test takes the calls of a [`ScriptedService`] and its clones, and decides on their readiness.
#[derive(Clone)]
pub struct Script {
    stage: Arc<Stage>,
}

/// One call: the request that came in, and the future that waits for its answer.
pub struct Exchange {
    request: Request<()>,
    call: Arc<Mutex<Call>>,
    ended: Arc<Notify>,
}

/// Ready when the [`Exchange`] is answered.
#[must_use = "futures do nothing unless polled"]
pub struct ScriptedFuture {
    stage: Arc<Stage>,
    call: Arc<Mutex<Call>>,
    ended: Arc<Notify>,
}

struct Stage {
    state: Mutex<State>,
    called: Notify,
}

struct State {
    readiness: Readiness,
    waiting: Vec<Waker>,
    arrived: VecDeque<Exchange>,
    calls: usize,
    live_services: usize,
    live_futures: usize,
    violations: Vec<&'static str>,
}

#[derive(Clone, Copy)]
enum Readiness {
    Ready,
    Pending,
    Failed,
}

struct Call {
    body: Option<Box<dyn Any + Send>>,
    answer: Option<Answer>,
    waker: Option<Waker>,
    polls: usize,
    is_over: bool,
    is_dropped: bool,
}

enum Answer {
    Response(Response<ScriptedBody>),
    Failure,
    Panic,
}

impl<B: Send + 'static> Service<Request<B>> for ScriptedService {
    type Response = Response<ScriptedBody>;
    type Error = Refused;
    type Future = ScriptedFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let mut state = lock(&self.stage.state);
        match state.readiness {
            Readiness::Ready => {
                self.readied = true;
                Poll::Ready(Ok(()))
            }
            Readiness::Pending => {
                state.waiting.push(cx.waker().clone());
                Poll::Pending
            }
            Readiness::Failed => Poll::Ready(Err(Refused)),
        }
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !std::mem::take(&mut self.readied) {
            lock(&self.stage.state).violations.push(UNREADIED);
            panic!("{UNREADIED}");
        }
        let (head, body) = request.into_parts();
        let call = Arc::new(Mutex::new(Call {
            body: Some(Box::new(body)),
            answer: None,
            waker: None,
            polls: 0,
            is_over: false,
            is_dropped: false,
        }));
        let ended = Arc::new(Notify::new());
        {
            let mut state = lock(&self.stage.state);
            state.calls += 1;
            state.live_futures += 1;
            state.arrived.push_back(Exchange {
                request: Request::from_parts(head, ()),
                call: Arc::clone(&call),
                ended: Arc::clone(&ended),
            });
        }
        self.stage.called.notify_one();
        ScriptedFuture { stage: Arc::clone(&self.stage), call, ended }
    }
}

impl Clone for ScriptedService {
    fn clone(&self) -> Self {
        lock(&self.stage.state).live_services += 1;
        Self { stage: Arc::clone(&self.stage), readied: false }
    }
}

impl Drop for ScriptedService {
    fn drop(&mut self) {
        lock(&self.stage.state).live_services -= 1;
    }
}

impl Future for ScriptedFuture {
    type Output = Result<Response<ScriptedBody>, Refused>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut call = lock(&self.call);
        call.polls += 1;
        if call.is_over {
            drop(call);
            lock(&self.stage.state).violations.push(POLLED_AGAIN);
            panic!("{POLLED_AGAIN}");
        }
        let Some(answer) = call.answer.take() else {
            call.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        call.is_over = true;
        let body = call.body.take();
        drop(call);
        drop(body);
        match answer {
            Answer::Response(response) => Poll::Ready(Ok(response)),
            Answer::Failure => Poll::Ready(Err(Refused)),
            Answer::Panic => panic!("the service panics, as the script says"),
        }
    }
}

impl Drop for ScriptedFuture {
    fn drop(&mut self) {
        let body = {
            let mut call = lock(&self.call);
            call.is_dropped = true;
            call.body.take()
        };
        drop(body);
        lock(&self.stage.state).live_futures -= 1;
        self.ended.notify_waiters();
    }
}

impl Script {
    /// The next call that no one has taken yet.
    ///
    /// # Panics
    ///
    /// If none comes for a day of tokio's time: a test that waits in vain says so, and does not hang.
    pub async fn next_call(&self) -> Exchange {
        let next = async {
            loop {
                let called = self.stage.called.notified();
                if let Some(exchange) = self.try_next_call() {
                    return exchange;
                }
                called.await;
            }
        };
        timeout(A_DAY, next).await.expect("the scripted service is called")
    }

    /// A call that no one has taken yet, if there is one.
    pub fn try_next_call(&self) -> Option<Exchange> {
        lock(&self.stage.state).arrived.pop_front()
    }

    /// How many calls there were.
    pub fn calls(&self) -> usize {
        lock(&self.stage.state).calls
    }

    /// How many futures of the service are not dropped yet.
    pub fn live_futures(&self) -> usize {
        lock(&self.stage.state).live_futures
    }

    /// How many instances of the service are not dropped yet.
    pub fn live_services(&self) -> usize {
        lock(&self.stage.state).live_services
    }

    /// From now on `poll_ready` is pending.
    pub fn not_ready(&self) {
        self.readiness(Readiness::Pending);
    }

    /// From now on `poll_ready` succeeds, as it does at first. Wakes whoever waits for it.
    pub fn ready(&self) {
        self.readiness(Readiness::Ready);
    }

    /// From now on `poll_ready` fails. Wakes whoever waits for it.
    pub fn fail_readiness(&self) {
        self.readiness(Readiness::Failed);
    }

    /// How the service was mistreated. Each of these was a panic too, which something may have caught.
    pub fn violations(&self) -> Vec<&'static str> {
        lock(&self.stage.state).violations.clone()
    }

    fn readiness(&self, readiness: Readiness) {
        let waiting = {
            let mut state = lock(&self.stage.state);
            state.readiness = readiness;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Exchange {
    /// The request, as it came to the service; its body is [`body`](Self::body).
    pub fn request(&self) -> &Request<()> {
        &self.request
    }

    /// Takes the request's body. It is dropped with the service's future if nobody does.
    ///
    /// # Panics
    ///
    /// If the body is not a `B`, is taken, or went with the future.
    pub fn body<B: 'static>(&self) -> B {
        let body = lock(&self.call).body.take().expect("the request's body is still there");
        match body.downcast() {
            Ok(body) => *body,
            Err(_) => panic!("the request's body is not a {}", type_name::<B>()),
        }
    }

    /// Answers with `response`.
    pub fn respond(&self, response: Response<ScriptedBody>) {
        self.answer(Answer::Response(response));
    }

    /// Answers with 200 and an empty body.
    pub fn ok(&self) {
        self.respond(Response::default());
    }

    /// Fails the call with [`Refused`].
    pub fn fail(&self) {
        self.answer(Answer::Failure);
    }

    /// Lets the service's future panic at its next poll.
    pub fn panic(&self) {
        self.answer(Answer::Panic);
    }

    /// How often the service's future was polled.
    pub fn polls(&self) -> usize {
        lock(&self.call).polls
    }

    /// Whether the service's future is dropped.
    pub fn is_dropped(&self) -> bool {
        lock(&self.call).is_dropped
    }

    /// Waits until the service's future is dropped.
    pub async fn dropped(&self) {
        loop {
            let ended = self.ended.notified();
            let mut ended = std::pin::pin!(ended);
            ended.as_mut().enable();
            if self.is_dropped() {
                return;
            }
            ended.await;
        }
    }

    fn answer(&self, answer: Answer) {
        let waker = {
            let mut call = lock(&self.call);
            call.answer = Some(answer);
            call.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl fmt::Debug for ScriptedService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedService").field("readied", &self.readied).finish_non_exhaustive()
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("calls", &self.calls())
            .field("live_futures", &self.live_futures())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("request", &self.request).finish_non_exhaustive()
    }
}

impl fmt::Debug for ScriptedFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedFuture").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
const UNREADIED: &str = "the readied instance is the one called: this one was not";
const POLLED_AGAIN: &str = "a future is not polled after it was ready: this one was";
