//! What has to happen once before a process has started.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    changes::Changes,
    check::{Finding, validate_name},
    error::ConfigError,
    health::Line,
    reason,
    snapshot::{LatchSnapshot, LatchState},
};

/// Something that has to be done before the process has started: migrations, a cache that is filled.
///
/// `/startupz` and `/readyz` fail while it is held, and name it. Unlike a startup check, which asks again and again
/// whether something is so, it is told once, by whoever does it.
///
/// ```
/// use macadam_health::{Health, Latch};
///
/// # fn main() -> Result<(), macadam_health::ConfigError> {
/// let migrations = Latch::new("migrations");
/// let health = Health::builder().latch(&migrations).build()?;
/// assert!(!health.is_ready());
/// // … migrate, then:
/// migrations.release();
/// assert!(health.is_ready());
/// # Ok(()) }
/// ```
///
/// Only [`release`](Self::release) says that it is done. One that is dropped without has failed, for its work returned
/// early, panicked or was aborted: it stays closed as `abandoned`, so that the process never gets traffic that it is not
/// ready for, and the platform's startup probe restarts it.
#[derive(Debug)]
#[must_use = "a latch that is dropped and was not released stays closed"]
pub struct Latch {
    held: Arc<Held>,
}

/// What the latch and the health share.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) name: String,
    since: Instant,
    end: OnceLock<End>,
    changes: OnceLock<Arc<Changes>>,
}

#[derive(Clone, Copy, Debug)]
struct End {
    at: Instant,
    state: LatchState,
}

impl Latch {
    /// A latch that is held from now on. Its name is of the kind that a [check](crate::Check::new)'s is.
    pub fn new(name: impl Into<String>) -> Self {
        let held =
            Held { name: name.into(), since: Instant::now(), end: OnceLock::new(), changes: OnceLock::new() };
        Self { held: Arc::new(held) }
    }

    /// What it waits for is done.
    pub fn release(self) {
        self.held.end(LatchState::Released);
    }

    pub(crate) fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held)
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        self.held.end(LatchState::Abandoned);
    }
}

impl Held {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        validate_name(&self.name)
    }

    /// Whoever waits for `changes` hears of the latch from now on.
    pub(crate) fn tell(&self, changes: &Arc<Changes>) -> Result<(), ConfigError> {
        self.changes.set(Arc::clone(changes)).map_err(|_| ConfigError::LatchTaken { name: self.name.clone() })
    }

    fn end(&self, state: LatchState) {
        // The first word counts: `release` drops the latch too.
        if self.end.set(End { at: Instant::now(), state }).is_err() {
            return;
        }
        let latch = self.name.as_str();
        let held_ms = self.held_for(Instant::now()).as_millis();
        match state {
            LatchState::Abandoned => tracing::error!(latch, held_ms, "startup latch abandoned"),
            _ => tracing::info!(latch, held_ms, "startup latch released"),
        }
        if let Some(changes) = self.changes.get() {
            changes.note();
        }
    }

    fn held_for(&self, now: Instant) -> Duration {
        self.end.get().map_or(now, |end| end.at).saturating_duration_since(self.since)
    }

    pub(crate) fn state(&self) -> LatchState {
        self.end.get().map_or(LatchState::Held, |end| end.state)
    }

    pub(crate) fn line(&self) -> Line<'_> {
        let held_for = self.held_for(Instant::now());
        let finding: Finding = match self.state() {
            LatchState::Released => Ok(()),
            LatchState::Held => Err(reason::aged("held for", held_for)),
            LatchState::Abandoned => Err(reason::aged("abandoned after", held_for)),
        };
        Line { name: &self.name, critical: true, finding }
    }

    pub(crate) fn snapshot(&self, now: Instant) -> LatchSnapshot {
        LatchSnapshot { name: self.name.clone(), state: self.state(), held_for: self.held_for(now) }
    }
}
