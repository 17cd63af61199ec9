//! From the first request to the last hook.

use std::{error::Error, sync::Arc, time::Duration};

use macadam_core::Phase;
use tokio::{sync::SetOnce, time::Instant};
use tracing::Level;

use crate::{
    builder::{BUDGET, ShutdownBuilder},
    course::Course,
    handle::{Draining, ShutdownHandle},
    hooks::Agenda,
    phases::{EXIT, Narrator, Plan, RESERVED},
    process::{self, Powers},
    reason::Reason,
    report::Report,
    requests::{CutRequest, DrainLayer, Roll},
};

type BoxError = Box<dyn Error + Send + Sync>;

/// The shutdown of one process: made before its server, and run around it.
#[derive(Debug)]
#[must_use = "a shutdown does nothing unless it is run"]
pub struct Shutdown {
    pub(crate) course: Arc<Course>,
    pub(crate) plan: Plan,
    pub(crate) agenda: Agenda,
    pub(crate) powers: Powers,
}

impl Shutdown {
    /// The budget, unless another one is [set](ShutdownBuilder::budget).
    pub const BUDGET: Duration = BUDGET;

    /// What the budget has to hold besides lame duck, drain and hooks: the time to close, and to exit.
    pub const RESERVED: Duration = RESERVED;

    /// A shutdown with the defaults, to be changed.
    pub fn builder() -> ShutdownBuilder {
        ShutdownBuilder::new()
    }

    /// The most that draining takes: what it was [given](ShutdownBuilder::drain), or what the rest leaves.
    pub fn drain(&self) -> Duration {
        self.plan.drain
    }

    /// The layer that knows what is in flight. All of its clones, and all layers of one shutdown, share one table.
    pub fn layer(&self) -> DrainLayer {
        DrainLayer::of(Arc::clone(self.course.ledger()))
    }

    /// Watches the shutdown, and can begin it.
    pub fn handle(&self) -> ShutdownHandle {
        ShutdownHandle::new(&self.course)
    }

    /// Serves until a signal, a [trigger](ShutdownHandle::trigger) or the server's own end; then drains, ends the
    /// tasks, runs the hooks and reports.
    ///
    /// `serve` gets the future that resolves when it has to stop accepting, and returns the server's own, which
    /// should end when its connections have. With stock axum that is
    /// `|draining| axum::serve(listener, app).with_graceful_shutdown(draining)`.
    ///
    /// From the beginning of the shutdown the process has its budget, and exits when that is over: although all
    /// workers are blocked, and also after this has returned.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its clock enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropped once it was polled, it drops the server, ends the hooks that run, skips to [`Phase::Stopped`] without the
    /// others, and leaves the process the rest of its budget to exit by itself.
    pub async fn run<S, F, E>(self, serve: S) -> Report
    where
        S: FnOnce(Draining) -> F,
        F: IntoFuture<Output = Result<(), E>>,
        E: Into<BoxError>,
    {
        let Self { course, plan, agenda, powers } = self;
        let _abandoned = Abandoned(&course);
        let mut narrator = Narrator::new(&course);

        // Starting → Serving: before the watcher is there, which may have to move on at once.
        course.enter(Phase::Serving, None);

        // What the hooks need of the budget is not the tasks'.
        let for_hooks = agenda.of_cleanup().saturating_add(EXIT);
        let quiet = SetOnce::new();
        let served = async {
            // Serving → … → Cleanup: by the watcher if something has to be cut, by us if nothing has.
            let mut served = match process::start(&course, plan, powers).await {
                Ok(()) => drain(&course, serve, &mut narrator).await,
                Err(error) => {
                    course.server_ended(Reason::ServerFailed);
                    Served { error: Some(error.into()), ..Served::default() }
                }
            };
            served.server_cut = !course.told().borrow().server_ended;
            let budget_over = course.began().checked_add(plan.budget);
            course.enter(Phase::Cleanup, budget_over);
            narrator.tell();
            served.cut = call_the_roll(&course);
            end_tasks(&course, budget_over.and_then(|over| over.checked_sub(for_hooks))).await;
            let _ = quiet.set(());
            served
        };
        let (served, hooks) = tokio::join!(served, agenda.run(&course, &quiet));

        // Cleanup → Stopped
        course.enter(Phase::Stopped, None);
        narrator.tell();

        let ledger = course.ledger();
        Report {
            reason: course.told().borrow().reason.clone().unwrap_or(Reason::ServerEnded),
            error: served.error,
            phases: durations(&course.entered().borrow()),
            lame_duck_end: course.lame_duck_end(),
            completed: ledger.completed(),
            streams_ended: ledger.turns.ended(),
            late: ledger.late(),
            discarded: course.server.discarded(),
            cut: served.cut,
            connections_cut: course.server.connections_cut(),
            server_cut: served.server_cut,
            tasks: course.tasks.lost(),
            hooks,
        }
    }
}

/// What is left when the server is gone.
#[derive(Default)]
struct Served {
    error: Option<BoxError>,
    /// It had not ended.
    server_cut: bool,
    /// Who was cut.
    cut: Roll<CutRequest>,
}

/// Serves to the end: of the server, of the last response and of the tasks, or of the time for that.
async fn drain<S, F, E>(course: &Course, serve: S, narrator: &mut Narrator<'_>) -> Served
where
    S: FnOnce(Draining) -> F,
    F: IntoFuture<Output = Result<(), E>>,
    E: Into<BoxError>,
{
    let mut served = Served::default();
    let error = &mut served.error;
    let (phase, in_flight) = (course.phase(), &course.ledger().in_flight);

    let responses = async {
        let ended = serve(Draining::new(phase.clone())).await;
        *error = ended.err().map(Into::into);
        course.server_ended(if error.is_some() { Reason::ServerFailed } else { Reason::ServerEnded });
        // The server's end proves the last byte of each connection; the table's, what was detached from it.
        phase.reached(Phase::Draining).await;
        in_flight.drained().await;
    };
    let tasks = async {
        phase.reached(Phase::Draining).await;
        let told = Instant::now();
        course.tasks.end(Phase::Draining, told, None).await;
        told
    };
    let drained = async {
        let ((), told) = tokio::join!(responses, tasks);
        // The last of the responses may have left tasks behind.
        course.tasks.end(Phase::Draining, told, None).await;
    };
    tokio::select! {
        biased;
        never = narrator.listen() => match never {},
        () = drained => {}
        _ = course.phase().reached(Phase::Cleanup) => {}
    }
    served
}

/// Names who was cut: those who are still there, and those whose end the layer has seen.
fn call_the_roll(course: &Course) -> Roll<CutRequest> {
    let ledger = course.ledger();
    let mut cut = Roll::of(&ledger.in_flight);
    ledger.cut_named().iter().for_each(|context| cut.name(CutRequest::of(context)));
    cut.total += usize::try_from(ledger.cut()).unwrap_or(usize::MAX);
    // The server counts those too whose last frame it had, and whose client did not take it.
    cut.total = cut.total.max(course.server.requests_cut());
    cut.named.iter().for_each(|request| request.tell(Level::WARN));
    cut
}

/// Cuts the tasks that had to end with the drain, and waits for those that outlive it, until `latest` at the most.
async fn end_tasks(course: &Course, latest: Option<Instant>) {
    course.tasks.cut(Phase::Draining);
    course.tasks.end(Phase::Cleanup, Instant::now(), latest).await;
}

/// How long each phase after `Serving` took, the last one excepted: it has no end.
fn durations(entered: &[(Phase, Instant)]) -> Vec<(Phase, Duration)> {
    let took = |pair: &[(Phase, Instant)]| (pair[0].0, pair[1].1.saturating_duration_since(pair[0].1));
    entered.windows(2).map(took).filter(|(phase, _)| *phase > Phase::Serving).collect()
}

/// Sees that the process ends also if `run` does not: dropped halfway, or by a panic of the server.
struct Abandoned<'a>(&'a Course);

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        self.0.server_ended(Reason::Abandoned);
        self.0.enter(Phase::Stopped, None);
    }
}
