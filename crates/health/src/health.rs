//! The checks of a process and what they last found.

use std::{borrow::Cow, convert::Infallible, fmt, future::pending, iter, sync::Arc};

use macadam_core::{Gauges, Metric, Phase, Reading};
use tokio::{
    select,
    time::{Instant, sleep_until},
};

use crate::{
    builder::HealthBuilder,
    changes::Changes,
    check::{Finding, PING, SHUTDOWN, STARTING},
    class::Status,
    entry::Entry,
    latch::Held,
    layer::HealthLayer,
    probe::Probe,
    reach::Reach,
    runtime::{Found, RuntimeWatch},
    schedule::Schedule,
    service::HealthService,
    snapshot::{LatchState, Snapshot},
};

/// The checks of a process and what each last found. Cheap to clone; clones are one.
///
/// It is also the handle for whoever watches. Its gauges are, with `check` and `class` as labels:
///
/// | `macadam_health_check_…` | is |
/// |---|---|
/// | `up` | 1 or 0 |
/// | `runs_total`, `failures_total`, `timeouts_total` | runs that have ended, those that failed, and those of them that took too long |
/// | `flips_total` | how often it went up or down |
/// | `duration_seconds`, `age_seconds` | how long the last run took, and how long ago it ended; from the first run on |
/// | `stuck_seconds` | how long a result has been awaited beyond all measure, or 0 |
///
/// and without labels `macadam_health_ready` and `macadam_health_latches_held`; and while a runtime is
/// [watched](Self::watch) `macadam_runtime_workers`, `macadam_runtime_stalled_workers`, and `macadam_runtime_stall_seconds`,
/// for how long the one of them that has stood still for longest has.
#[derive(Clone)]
pub struct Health {
    shared: Arc<Shared>,
}

struct Shared {
    checks: Box<[Arc<Entry>]>,
    latches: Box<[Arc<Held>]>,
    reach: Reach,
    runtime: Found,
    changes: Arc<Changes>,
    seed: u64,
}

/// What one line of a probe's answer says.
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    pub(crate) critical: bool,
    pub(crate) finding: Finding,
}

impl Health {
    /// Begins a set of checks.
    pub fn builder() -> HealthBuilder {
        HealthBuilder::new()
    }

    pub(crate) fn new(
        checks: Box<[Arc<Entry>]>,
        latches: Box<[Arc<Held>]>,
        reach: Reach,
        changes: Arc<Changes>,
        seed: u64,
    ) -> Self {
        let runtime = Found::new(Arc::clone(&changes));
        Self { shared: Arc::new(Shared { checks, latches, reach, runtime, changes, seed }) }
    }

    /// Starts to run the checks, each in a task of its own on the present runtime, until what it returns is dropped.
    ///
    /// The first run of every check starts now. Where another schedule of this health is running, this one stands by
    /// and takes over when that one is dropped.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, if there are checks.
    pub fn spawn(&self) -> Schedule {
        Schedule::spawn(self, self.shared.seed)
    }

    /// Watches a runtime for as long as this is polled, and tells `/readyz` and `/livez` where it stands still.
    ///
    /// Poll it on a thread of its own, such as the admin listener's: a runtime that stands still does not see it. It looks
    /// twenty times a second. A watch that is dropped leaves no finding behind; of two the later look counts.
    pub async fn watch(&self, runtime: RuntimeWatch) -> Infallible {
        runtime.run(&self.shared.runtime).await
    }

    /// The layer that answers probes on the service's own listener, before anything else does.
    pub fn layer(&self) -> HealthLayer {
        HealthLayer::new(self.clone())
    }

    /// The service that answers probes, and nothing else.
    pub fn service(&self) -> HealthService {
        HealthService::new(self.clone())
    }

    /// Whether the process should get traffic: what `/readyz` says now.
    pub fn is_ready(&self) -> bool {
        self.status(Probe::Readiness) != Status::Fail
    }

    /// What a probe says now: the worst of what its checks say.
    pub fn status(&self, probe: Probe) -> Status {
        self.lines(probe).map(|line| line.status()).max().unwrap_or(Status::Pass)
    }

    /// Everything that is known now, for whoever shows it. It runs no check and waits for none.
    pub fn snapshot(&self) -> Snapshot {
        let version = self.version();
        Snapshot {
            version,
            liveness: self.status(Probe::Liveness),
            readiness: self.status(Probe::Readiness),
            startup: self.status(Probe::Startup),
            checks: self.shared.checks.iter().map(|entry| entry.snapshot()).collect(),
            latches: self.shared.latches.iter().map(|latch| latch.snapshot(Instant::now())).collect(),
        }
    }

    /// A number that moves when the [status](Self::status) of a check or a probe does, and when a check is found stuck. It
    /// only ever grows.
    ///
    /// Who reads it and then looks sees what it counts, or something newer. Reasons and ages are not counted.
    pub fn version(&self) -> u64 {
        for entry in &self.shared.checks {
            entry.catch_up();
        }
        self.shared.changes.count() + self.shared.reach.turns()
    }

    /// Waits until the [version](Self::version) is another one than `seen`, and returns it: at once, where it is already.
    ///
    /// ```
    /// # use macadam_health::Health;
    /// async fn follow(health: Health) {
    ///     let mut seen = health.version();
    ///     loop {
    ///         println!("{}", health.is_ready());
    ///         seen = health.changed(seen).await;
    ///     }
    /// }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped: what changes meanwhile is seen by the next one that is given the same number.
    pub async fn changed(&self, seen: u64) -> u64 {
        loop {
            // Made before the look, it hears every change after it.
            let moved = self.shared.changes.moved();
            let version = self.version();
            if version != seen {
                return version;
            }
            select! {
                () = moved => {}
                () = self.shared.reach.next_turn() => {}
                () = self.next_silence() => {}
            }
        }
    }

    /// Waits until something may have changed by the mere passing of time.
    async fn next_silence(&self) {
        match self.shared.checks.iter().filter_map(|entry| entry.next_change()).min() {
            Some(at) => sleep_until(at).await,
            None => pending().await,
        }
    }

    pub(crate) fn entries(&self) -> &[Arc<Entry>] {
        &self.shared.checks
    }

    pub(crate) fn reach(&self) -> &Reach {
        &self.shared.reach
    }

    pub(crate) fn lines(&self, probe: Probe) -> impl Iterator<Item = Line<'_>> {
        let phase = self.shared.reach.phase();
        let starting = phase
            .filter(|_| probe != Probe::Liveness)
            .map(|phase| Line::of_phase(STARTING, phase, phase < Phase::Serving));
        let shutdown = phase
            .filter(|_| probe == Probe::Readiness)
            .map(|phase| Line::of_phase(SHUTDOWN, phase, self.shared.reach.is_leaving()));
        let latches = self.shared.latches.iter().filter(move |_| probe != Probe::Liveness);
        let checks = self.shared.checks.iter().filter(move |entry| entry.is_asked_by(probe));
        iter::once(Line { name: PING, critical: true, finding: Ok(()) })
            .chain(starting)
            .chain(self.shared.runtime.line(probe))
            .chain(latches.map(|latch| latch.line()))
            .chain(checks.map(|entry| entry.line()))
            .chain(shutdown)
    }
}

impl Gauges for Health {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        for entry in &self.shared.checks {
            entry.read(out);
        }
        let held = self.shared.latches.iter().filter(|latch| latch.state() == LatchState::Held).count();
        out(Reading { name: "macadam_health_latches_held", labels: &[], value: held as f64 });
        self.shared.runtime.read(out);
        out(Reading { name: "macadam_health_ready", labels: &[], value: f64::from(self.is_ready()) });
    }

    fn metrics(&self) -> &'static [Metric] {
        Self::METRICS
    }
}

impl Health {
    /// What its figures mean.
    pub const METRICS: &'static [Metric] = &[
        Metric::new("macadam_health_check_up", "Whether the check passes", &["check", "class"]).each("check"),
        Metric::new("macadam_health_check_runs_total", "Runs of the check", &["check", "class"])
            .each("check"),
        Metric::new(
            "macadam_health_check_failures_total",
            "Runs that failed, in whatever way",
            &["check", "class"],
        )
        .each("check"),
        Metric::new("macadam_health_check_timeouts_total", "Runs that took too long", &["check", "class"])
            .each("check"),
        Metric::new(
            "macadam_health_check_flips_total",
            "How often the check went from passing to failing or back",
            &["check", "class"],
        )
        .each("check"),
        Metric::new(
            "macadam_health_check_duration_seconds",
            "How long the last run took",
            &["check", "class"],
        )
        .each("check"),
        Metric::new(
            "macadam_health_check_age_seconds",
            "How long ago the last run ended",
            &["check", "class"],
        )
        .each("check"),
        Metric::new(
            "macadam_health_check_stuck_seconds",
            "How long the present run has been over its time, where it is",
            &["check", "class"],
        )
        .each("check"),
        Metric::new("macadam_health_latches_held", "Startup latches that are held", &[]),
        Metric::new("macadam_runtime_workers", "Workers of the runtime", &[]),
        Metric::new("macadam_runtime_stalled_workers", "Workers that sit in one poll for too long", &[]),
        Metric::new("macadam_runtime_stall_seconds", "For how long the longest of them has", &[]),
        Metric::new("macadam_health_ready", "Whether the process should get traffic", &[]),
    ];
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = |entry: &Arc<Entry>| (entry.check.name.clone(), entry.line().finding);
        f.debug_struct("Health")
            .field("phase", &self.shared.reach.phase())
            .field("latches", &self.shared.latches)
            .field("checks", &self.shared.checks.iter().map(found).collect::<Vec<_>>())
            .finish()
    }
}

impl Line<'_> {
    fn of_phase(name: &'static str, phase: Phase, fails: bool) -> Line<'static> {
        let finding = if fails { Err(Cow::Borrowed(phase.as_str())) } else { Ok(()) };
        Line { name, critical: true, finding }
    }

    pub(crate) fn status(&self) -> Status {
        match (&self.finding, self.critical) {
            (Ok(()), _) => Status::Pass,
            (Err(_), false) => Status::Warn,
            (Err(_), true) => Status::Fail,
        }
    }

    /// Whether it says that the process is on its way out.
    pub(crate) fn tells_of_shutdown(&self) -> bool {
        self.name == SHUTDOWN && self.finding.is_err()
    }
}
