//! The shutdown, seen from the rest of the service.

use std::{
    borrow::Cow,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use macadam_core::{Gauges, InFlight, Metric, Phase, PhaseWatch, Reading, RequestContext};

use tokio::task::JoinHandle;

use crate::{
    course::Course,
    reason::Reason,
    streams::{Turn, Upgraded},
    tasks::TaskBuilder,
};

/// Watches a [`Shutdown`](crate::Shutdown), and can begin it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ShutdownHandle {
    course: Arc<Course>,
}

impl ShutdownHandle {
    pub(crate) fn new(course: &Arc<Course>) -> Self {
        Self { course: Arc::clone(course) }
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        self.course.phase().current()
    }

    /// A watch on the phase.
    pub fn watch(&self) -> PhaseWatch {
        self.course.phase().clone()
    }

    /// Begins the shutdown, as a signal would; `false` if it had begun. `reason` is for the report and the log.
    ///
    /// Before [`run`](crate::Shutdown::run) it is remembered: the shutdown then begins with the server.
    pub fn trigger(&self, reason: impl Into<Cow<'static, str>>) -> bool {
        self.course.begin(Reason::Trigger(reason.into()))
    }

    /// Resolves when the server must stop accepting: what stock `axum::serve` takes as its graceful shutdown.
    ///
    /// Without [`run`](crate::Shutdown::run) nothing moves the phase, and it never resolves.
    pub fn draining(&self) -> Draining {
        Draining::new(self.watch())
    }

    /// Spawns what the service does besides answering requests, under a name.
    ///
    /// It should end when [`draining`](Self::draining) resolves; the drain waits for it as it does for a request, and
    /// cuts it at its end. A task may end earlier. One that panics is logged at once, and the service goes on.
    /// [`task`](Self::task) spawns those that end later, or sooner.
    ///
    /// ```
    /// # async fn poll() {}
    /// # fn example(handle: macadam_graceful_shutdown::ShutdownHandle) {
    /// let mut draining = handle.draining();
    /// handle.spawn("outbox", async move {
    ///     loop {
    ///         tokio::select! {
    ///             () = &mut draining => break,
    ///             () = poll() => {}
    ///         }
    ///     }
    /// });
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn<F>(&self, name: impl Into<Cow<'static, str>>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.task(name).spawn(future)
    }

    /// A task that is to be spawned, and may be told when it has to end.
    pub fn task(&self, name: impl Into<Cow<'static, str>>) -> TaskBuilder {
        TaskBuilder::new(&self.course, name.into())
    }

    /// Resolves when it is one's turn to end, once the drain has begun: for handlers that wait for something, such as
    /// a long poll. Unlike [`draining`](Self::draining) it does not send all of them away at the same moment.
    ///
    /// A WebSocket's handler wants [`upgraded`](Self::upgraded); an event stream needs nothing.
    pub fn turn(&self) -> Turn {
        Turn::new(&self.course.ledger().turns)
    }

    /// Has the drain wait for a connection that goes over to another protocol, until what this returns is dropped.
    ///
    /// To be called before the 101 is answered, with the request's context, if it has one, for the connection's name.
    pub fn upgraded(&self, request: Option<&RequestContext>) -> Upgraded {
        Upgraded::enter(self.course.ledger(), request)
    }

    /// Notes for the report what a server cut when its time to drain was over: so many connections, and requests on
    /// them whose response was not over.
    pub fn note_cut(&self, connections: usize, requests: usize) {
        self.course.server.cut(connections, requests);
    }

    /// Notes for the report that a server threw requests away unread, since it had closed its side of the connection.
    pub fn note_discarded(&self, requests: u64) {
        self.course.server.discard(requests);
    }

    /// The requests in flight.
    pub fn in_flight(&self) -> &InFlight {
        &self.course.ledger().in_flight
    }
}

/// `macadam_shutdown_phase` counts the phases from 0, starting, over 1, serving, to 6, stopped;
/// `macadam_requests_in_flight` is the length of the table; `macadam_shutdown_streams_waiting` says how many streams
/// and upgraded connections there are that a drain will have to tell to end, and `macadam_shutdown_streams_ended_total`
/// how many it has; `macadam_tasks` are the spawned tasks that have not ended, and `macadam_tasks_panicked_total` those
/// that panicked.
impl Gauges for ShutdownHandle {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        let phase = f64::from(self.phase() as u8);
        out(Reading { name: "macadam_shutdown_phase", labels: &[], value: phase });
        let in_flight = self.in_flight().len() as f64;
        out(Reading { name: "macadam_requests_in_flight", labels: &[], value: in_flight });
        let turns = &self.course.ledger().turns;
        let waiting = turns.waiting() as f64;
        out(Reading { name: "macadam_shutdown_streams_waiting", labels: &[], value: waiting });
        let ended = turns.ended() as f64;
        out(Reading { name: "macadam_shutdown_streams_ended_total", labels: &[], value: ended });
        let tasks = self.course.tasks.len() as f64;
        out(Reading { name: "macadam_tasks", labels: &[], value: tasks });
        let panicked = self.course.tasks.panics() as f64;
        out(Reading { name: "macadam_tasks_panicked_total", labels: &[], value: panicked });
    }

    fn metrics(&self) -> &'static [Metric] {
        Self::METRICS
    }
}

impl ShutdownHandle {
    /// What its figures mean.
    pub const METRICS: &'static [Metric] = &[
        Metric::new(
            "macadam_shutdown_phase",
            "How far the process is from start to exit: 0 starting, 1 serving, 2 lame duck, 3 draining, 4 closing, 5 cleanup, 6 stopped",
            &[],
        ),
        Metric::new("macadam_requests_in_flight", "Requests that a shutdown would wait for", &[]),
        Metric::new(
            "macadam_shutdown_streams_waiting",
            "Streams and upgraded connections that will be told to end in a drain",
            &[],
        ),
        Metric::new("macadam_shutdown_streams_ended_total", "Streams that a drain has ended", &[]),
        Metric::new("macadam_tasks", "Background tasks that a shutdown would wait for", &[]),
        Metric::new("macadam_tasks_panicked_total", "Background tasks that panicked", &[]),
    ];
}

/// Resolves when the server must stop accepting: at [`Phase::Draining`], or at once if that is reached.
#[must_use = "futures do nothing unless polled"]
pub struct Draining {
    reached: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl Draining {
    pub(crate) fn new(phase: PhaseWatch) -> Self {
        Self {
            reached: Box::pin(async move {
                phase.reached(Phase::Draining).await;
            }),
        }
    }
}

impl Future for Draining {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.reached.as_mut().poll(cx)
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draining").finish_non_exhaustive()
    }
}
