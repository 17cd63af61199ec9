//! The checks of a process and what they last found.

use std::{
    borrow::Cow,
    fmt, iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use macadam_core::{Gauges, Phase, PhaseWatch, Reading};

use crate::{
    check::{Check, Finding, PING, SHUTDOWN, STARTING},
    error::ConfigError,
    layer::HealthLayer,
    probe::Probe,
    schedule::Schedule,
    service::HealthService,
};

/// The checks of a process and what each last found. Cheap to clone; clones are one.
///
/// It is also the handle for whoever watches: its gauges are `macadam_health_check_up{check}` and
/// `macadam_health_ready`.
#[derive(Clone)]
pub struct Health {
    shared: Arc<Shared>,
}

struct Shared {
    checks: Box<[Arc<Entry>]>,
    phase: Option<PhaseWatch>,
}

/// A check, and what it last found.
pub(crate) struct Entry {
    pub(crate) check: Check,
    /// Held while somebody runs the check, so that it never runs twice at a time.
    pub(crate) turn: tokio::sync::Mutex<()>,
    // A lock and not an atomic, since a reason is a text. It is held for a move or a copy of it, by two at most.
    found: Mutex<Finding>,
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
        HealthBuilder { checks: Vec::new(), phase: None }
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
        Schedule::spawn(&self.shared.checks)
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
        !self.lines(Probe::Readiness).any(|line| line.fails_probe())
    }

    /// Lets whoever moves the phase know that a probe was told of it.
    pub(crate) fn note_probe(&self) {
        if let Some(phase) = &self.shared.phase {
            phase.note_probe();
        }
    }

    pub(crate) fn lines(&self, probe: Probe) -> impl Iterator<Item = Line<'_>> {
        let phase = self.shared.phase.as_ref().map(PhaseWatch::current);
        let starting = phase
            .filter(|_| probe != Probe::Liveness)
            .map(|phase| Line::of_phase(STARTING, phase, phase < Phase::Serving));
        let shutdown = phase
            .filter(|_| probe == Probe::Readiness)
            .map(|phase| Line::of_phase(SHUTDOWN, phase, phase >= Phase::LameDuck));
        let checks = self.shared.checks.iter().filter(move |entry| entry.is_asked_by(probe));
        iter::once(Line { name: PING, critical: true, finding: Ok(()) })
            .chain(starting)
            .chain(checks.map(|entry| entry.line()))
            .chain(shutdown)
    }
}

impl Gauges for Health {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        for entry in &self.shared.checks {
            out(Reading {
                name: "macadam_health_check_up",
                labels: &[("check", &entry.check.name)],
                value: f64::from(entry.found().is_ok()),
            });
        }
        out(Reading { name: "macadam_health_ready", labels: &[], value: f64::from(self.is_ready()) });
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = |entry: &Arc<Entry>| (entry.check.name.clone(), entry.found().clone());
        f.debug_struct("Health")
            .field("phase", &self.shared.phase)
            .field("checks", &self.shared.checks.iter().map(found).collect::<Vec<_>>())
            .finish()
    }
}

/// Collects the checks of a process.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct HealthBuilder {
    checks: Vec<Check>,
    phase: Option<PhaseWatch>,
}

impl HealthBuilder {
    /// Adds a check. Probes name the checks in the order in which they were added.
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Lets readiness follow the process' phase: it fails until that is serving, and from the lame duck on.
    pub fn phase(mut self, phase: PhaseWatch) -> Self {
        self.phase = Some(phase);
        self
    }

    /// The health of a process with these checks, none of which has run yet.
    ///
    /// # Errors
    ///
    /// When a check's name is not fit for a path, is taken or reserved, or when its interval or timeout is zero.
    pub fn build(self) -> Result<Health, ConfigError> {
        for (index, check) in self.checks.iter().enumerate() {
            check.validate()?;
            if self.checks[..index].iter().any(|earlier| earlier.name == check.name) {
                return Err(ConfigError::DuplicateName { name: check.name.clone() });
            }
        }
        let checks = self.checks.into_iter().map(|check| Arc::new(Entry::new(check))).collect();
        Ok(Health { shared: Arc::new(Shared { checks, phase: self.phase }) })
    }
}

impl Entry {
    fn new(check: Check) -> Self {
        // Before the first result nobody is killed, and nobody gets traffic.
        let found = match check.probe {
            Probe::Liveness => Ok(()),
            Probe::Readiness | Probe::Startup => Err(Cow::Borrowed(PENDING)),
        };
        Self { check, turn: tokio::sync::Mutex::new(()), found: Mutex::new(found) }
    }

    /// A process that has not started is not ready either, whether or not its platform asks for both.
    fn is_asked_by(&self, probe: Probe) -> bool {
        let own = self.check.probe;
        own == probe || (own == Probe::Startup && probe == Probe::Readiness)
    }

    fn line(&self) -> Line<'_> {
        Line { name: &self.check.name, critical: self.check.critical, finding: self.found().clone() }
    }

    fn found(&self) -> MutexGuard<'_, Finding> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a run found; a change for better or worse is logged.
    pub(crate) fn record(&self, finding: Finding) {
        let check = self.check.name.as_str();
        let before = std::mem::replace(&mut *self.found(), finding.clone());
        match (before, finding) {
            (Err(_), Ok(())) => tracing::info!(check, "health check passes"),
            (Ok(()), Err(reason)) => tracing::warn!(check, %reason, "health check fails"),
            // The first result of a check that was pending; a failure that goes on is not told again.
            (Err(before), Err(reason)) if before == PENDING => {
                tracing::warn!(check, %reason, "health check fails");
            }
            _ => {}
        }
    }
}

impl Line<'_> {
    fn of_phase(name: &'static str, phase: Phase, fails: bool) -> Line<'static> {
        let finding = if fails { Err(Cow::Borrowed(phase.as_str())) } else { Ok(()) };
        Line { name, critical: true, finding }
    }

    pub(crate) fn fails_probe(&self) -> bool {
        self.critical && self.finding.is_err()
    }

    /// Whether it says that the process is on its way out.
    pub(crate) fn tells_of_shutdown(&self) -> bool {
        self.name == SHUTDOWN && self.finding.is_err()
    }
}

const PENDING: &str = "pending";
