//! A handler that runs on after its deadline.

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Relaxed, Release},
        },
    },
    task::{Context, Poll},
};

use http::{Request, Response};
use macadam_core::{Gauges, InFlight, InFlightGuard, Metric, Reading, RequestContext};
use tokio::runtime::Handle;
use tower_layer::Layer;
use tower_service::Service;

/// Lets what is inside it run on in a task of its own where a [`TimeoutLayer`](crate::TimeoutLayer) around it has
/// answered at the deadline: for work that must not stop halfway.
///
/// A future that has been polled stays where it is, so each call costs one allocation from the start. Only the deadline
/// detaches; a client that goes away still cancels.
///
/// What stands inside of it is held until the work is really over: a permit of a load-shed layer in there, a connection to
/// a database. What stands outside is over with the 504: also the gate of the road, if this layer is a route's. The late
/// response is counted and dropped, its body unread.
///
/// The timeout must be in the same task: across a `tower::buffer` nothing is detached.
///
/// ```
/// use std::time::Duration;
///
/// use axum::{Router, routing::post};
/// use macadam_timeouts::{DetachLayer, TimeoutLayer};
///
/// let (detach, handle) = DetachLayer::new(64).pair();
/// let app: Router = Router::new()
///     .route("/transfer", post(async || "done").layer(detach))
///     .layer(TimeoutLayer::new(Duration::from_secs(3)));
/// # let _ = (app, handle);
/// ```
#[derive(Clone, Debug)]
pub struct DetachLayer {
    at_most: usize,
    in_flight: Option<InFlight>,
    counts: Arc<Counts>,
}

/// Reads what a [`DetachLayer`] has let run on.
///
/// | name | labels | |
/// |---|---|---|
/// | `macadam_timeouts_detached` | | handlers that run on now |
/// | `macadam_timeouts_detached_ended_total` | `end` = `answered` | too late, with a status below 500 |
/// | | `end` = `failed` | too late, with a status of 500 and more, or an error |
/// | | `end` = `panicked` | |
/// | | `end` = `cut` | with the runtime |
/// | | `end` = `cancelled` | at the deadline after all: as many as may ran on |
#[derive(Clone, Debug)]
pub struct DetachHandle {
    counts: Arc<Counts>,
}

/// What a [`DetachLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct DetachService<S> {
    inner: S,
    layer: DetachLayer,
}

#[derive(Debug, Default)]
struct Counts {
    running: AtomicUsize,
    ended: [AtomicU64; ENDS.len()],
}

#[derive(Clone, Copy)]
enum Ended {
    Answered,
    Failed,
    Panicked,
    Cut,
    Cancelled,
}

const ENDS: [(Ended, &str); 5] = [
    (Ended::Answered, "answered"),
    (Ended::Failed, "failed"),
    (Ended::Panicked, "panicked"),
    (Ended::Cut, "cut"),
    (Ended::Cancelled, "cancelled"),
];

impl DetachLayer {
    /// Lets up to so many handlers run on at a time. At the deadline of one more that one is cancelled.
    pub fn new(at_most: usize) -> Self {
        Self { at_most, in_flight: None, counts: Arc::default() }
    }

    /// Puts what runs on into this table of requests in flight, so that a drain waits for it.
    #[must_use]
    pub fn in_flight(mut self, table: InFlight) -> Self {
        self.in_flight = Some(table);
        self
    }

    /// The layer, and the handle that reads what runs on.
    pub fn pair(self) -> (Self, DetachHandle) {
        let handle = DetachHandle { counts: Arc::clone(&self.counts) };
        (self, handle)
    }
}

impl<S> Layer<S> for DetachLayer {
    type Service = DetachService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DetachService { inner, layer: self.clone() }
    }
}

impl<S, B, ResBody> Service<Request<B>> for DetachService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>, Error: 'static, Future: Send + 'static>,
    ResBody: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = DetachFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let context = RequestContext::get(&request).cloned();
        DetachFuture {
            inner: Some(Box::pin(self.inner.call(request))),
            run_on: run_on::<S::Future, _, _>,
            layer: self.layer.clone(),
            context,
        }
    }
}

/// Ready with the service's response.
///
/// # Cancel safety
///
/// Dropped by a timeout at its deadline, it runs on in a task of its own, if there is a runtime and room. Any other drop
/// drops the service's future.
#[must_use = "futures do nothing unless polled"]
pub struct DetachFuture<F> {
    /// `None` when it is over.
    inner: Option<Pin<Box<F>>>,
    /// Knows what a drop does not: that the future may be spawned.
    run_on: fn(Pin<Box<F>>, RunsOn),
    layer: DetachLayer,
    context: Option<RequestContext>,
}

impl<F: Future> Future for DetachFuture<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let inner = self.inner.as_mut().expect("a future is not polled after it was ready");
        let polled = inner.as_mut().poll(cx);
        if polled.is_ready() {
            self.inner = None;
        }
        polled
    }
}

impl<F> Drop for DetachFuture<F> {
    fn drop(&mut self) {
        if !AT_THE_DEADLINE.get() {
            return;
        }
        if let Some(inner) = self.inner.take() {
            match RunsOn::begin(&self.layer, self.context.take()) {
                Some(runs_on) => (self.run_on)(inner, runs_on),
                None => self.layer.counts.count(Ended::Cancelled),
            }
        }
    }
}

impl<F> fmt::Debug for DetachFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetachFuture").field("layer", &self.layer).finish_non_exhaustive()
    }
}

fn run_on<F, B, E>(inner: Pin<Box<F>>, runs_on: RunsOn)
where
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: 'static,
    E: 'static,
{
    // Where there is no runtime it ends here, cut.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(runs_on.until(inner));
    }
}

/// One handler that runs on; dropped after its future.
struct RunsOn {
    ended: Ended,
    counts: Arc<Counts>,
    _place: Option<InFlightGuard>,
}

impl RunsOn {
    fn begin(layer: &DetachLayer, context: Option<RequestContext>) -> Option<Self> {
        let room = |running: usize| (running < layer.at_most).then_some(running + 1);
        layer.counts.running.fetch_update(AcqRel, Relaxed, room).ok()?;
        let place = layer.in_flight.as_ref().map(|table| table.enter(context));
        Some(Self { ended: Ended::Cut, counts: Arc::clone(&layer.counts), _place: place })
    }

    async fn until<B, E>(mut self, inner: impl Future<Output = Result<Response<B>, E>>) {
        self.ended = match inner.await {
            Ok(response) if !response.status().is_server_error() => Ended::Answered,
            _ => Ended::Failed,
        };
    }
}

impl Drop for RunsOn {
    fn drop(&mut self) {
        let ended = if std::thread::panicking() { Ended::Panicked } else { self.ended };
        self.counts.count(ended);
        self.counts.running.fetch_sub(1, Release);
    }
}

impl Counts {
    fn count(&self, ended: Ended) {
        self.ended[ended as usize].fetch_add(1, Relaxed);
    }
}

impl Gauges for DetachHandle {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        let running = self.counts.running.load(Relaxed) as f64;
        out(Reading { name: "macadam_timeouts_detached", labels: &[], value: running });
        for (ended, end) in ENDS {
            let value = self.counts.ended[ended as usize].load(Relaxed) as f64;
            out(Reading { name: "macadam_timeouts_detached_ended_total", labels: &[("end", end)], value });
        }
    }

    fn metrics(&self) -> &'static [Metric] {
        Self::METRICS
    }
}

impl DetachHandle {
    /// What its figures mean.
    pub const METRICS: &'static [Metric] = &[
        Metric::new("macadam_timeouts_detached", "Handlers that run on after their 504", &[]),
        Metric::new(
            "macadam_timeouts_detached_ended_total",
            "Handlers that ran on after their 504 and are over, by how",
            &["end"],
        )
        .at_most(ENDS.len()),
    ];
}

thread_local! {
    static AT_THE_DEADLINE: Cell<bool> = const { Cell::new(false) };
}

/// Drops a service's future because its deadline has passed, and lets what is inside know, which a context could not
/// tell where there is none.
pub(crate) fn at_the_deadline(drop: impl FnOnce()) {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            AT_THE_DEADLINE.set(self.0);
        }
    }
    let _restore = Restore(AT_THE_DEADLINE.replace(true));
    drop();
}
