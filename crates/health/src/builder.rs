//! Collects the checks of a process, and finds what is wrong with them.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use macadam_core::PhaseWatch;

use crate::{
    changes::Changes,
    check::Check,
    drain::OnDrain,
    entry::Entry,
    error::ConfigError,
    health::Health,
    latch::{Held, Latch},
    reach::Reach,
};

/// Collects the checks of a process.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct HealthBuilder {
    checks: Vec<Check>,
    latches: Vec<Arc<Held>>,
    phase: Option<PhaseWatch>,
    on_drain: OnDrain,
    seed: Option<u64>,
}

impl HealthBuilder {
    pub(crate) fn new() -> Self {
        Self { checks: Vec::new(), latches: Vec::new(), phase: None, on_drain: OnDrain::Fail, seed: None }
    }

    /// Adds a check. Probes name the checks in the order in which they were added.
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// The process has not started, and is not ready, while this latch is held. Probes name the latches before the checks.
    pub fn latch(mut self, latch: &Latch) -> Self {
        self.latches.push(latch.held());
        self
    }

    /// Lets readiness follow the process' phase: it fails until that is serving, and from the lame duck on.
    pub fn phase(mut self, phase: PhaseWatch) -> Self {
        self.phase = Some(phase);
        self
    }

    /// What readiness says while the process is on its way out: by default it fails at once.
    pub fn on_drain(mut self, on_drain: OnDrain) -> Self {
        self.on_drain = on_drain;
        self
    }

    /// From what the [jitter](Check::jitter) of the checks is drawn: the same seed gives the same pauses. Drawn at random
    /// by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The health of a process with these checks, none of which has run yet.
    ///
    /// # Errors
    ///
    /// When a name is not fit for a path, is taken or reserved, when a check is told what makes no sense (each variant of
    /// [`ConfigError`] is one such thing), or when a latch is another health's already.
    pub fn build(self) -> Result<Health, ConfigError> {
        let mut names = Vec::with_capacity(self.latches.len() + self.checks.len());
        for latch in &self.latches {
            latch.validate()?;
            names.push(&latch.name);
        }
        for check in &self.checks {
            check.validate()?;
            names.push(&check.name);
        }
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(ConfigError::DuplicateName { name: (*name).clone() });
            }
        }
        let changes = Arc::new(Changes::default());
        for latch in &self.latches {
            latch.tell(&changes)?;
        }
        let entry = |check| Arc::new(Entry::new(check, Arc::clone(&changes)));
        let checks = self.checks.into_iter().map(entry).collect();
        let seed = self.seed.unwrap_or_else(|| RandomState::new().hash_one(()));
        Ok(Health::new(checks, self.latches.into(), Reach::new(self.phase, self.on_drain), changes, seed))
    }
}
