//! Where the status is read from.

use std::{iter, sync::Arc};

use macadam_core::{Gauges, InFlight, Outcomes, PhaseWatch};
use macadam_health::Health;
use tokio::time::Instant;

use crate::{
    history::Requests,
    load::Load,
    memory::Memory,
    runtime::Runtime,
    status::{Ended, Flight, Gauge, Probes, SCHEMA, Status, whole_millis},
};

pub(crate) struct Sources {
    pub(crate) since: Instant,
    pub(crate) service: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) health: Health,
    pub(crate) phase: Option<PhaseWatch>,
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) outcomes: Option<Outcomes>,
    pub(crate) gauges: Vec<Arc<dyn Gauges>>,
}

impl Sources {
    pub(crate) fn read(&self, requests: Option<Requests>, now: Instant) -> Status {
        let gauges = self.figures();
        let health = self.health.snapshot();
        let phase = self.phase.as_ref().map(|phase| (phase, phase.current()));
        let phase_age = phase.and_then(|(watch, phase)| watch.since(phase));
        Status {
            schema: SCHEMA,
            service: self.service.clone(),
            version: self.version.clone(),
            pid: std::process::id(),
            phase: phase.map(|(_, phase)| phase.as_str()),
            phase_age_ms: phase_age.map(|since| whole_millis(now.saturating_duration_since(since))),
            ready: health.readiness != macadam_health::Status::Fail,
            uptime_seconds: now.saturating_duration_since(self.since).as_secs_f64(),
            probes: Probes {
                livez: health.liveness.as_str(),
                readyz: health.readiness.as_str(),
                startupz: health.startup.as_str(),
            },
            checks: health.checks.iter().map(Into::into).collect(),
            latches: health.latches.iter().map(Into::into).collect(),
            in_flight: self.in_flight.as_ref().map(|table| Flight::of(table, now)),
            requests,
            noted: self.outcomes.as_ref().map(|outcomes| {
                outcomes.noted().iter().take(NOTED).map(|noted| Ended::of(noted, now)).collect()
            }),
            load: Load::of(&gauges),
            runtime: Runtime::of(&gauges),
            memory: Memory::now(),
            gauges,
        }
    }

    fn figures(&self) -> Vec<Gauge> {
        let mut figures = Vec::new();
        let handles = self.gauges.iter().map(|gauges| &**gauges);
        for gauges in iter::once::<&dyn Gauges>(&self.health).chain(handles) {
            gauges.read(&mut |reading| {
                let labels =
                    reading.labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
                figures.push(Gauge { name: reading.name, labels, value: reading.value });
            });
        }
        figures
    }
}

const NOTED: usize = 100;
