//! What the process is doing, as a document.

use std::{collections::BTreeMap, time::Duration};

use macadam_core::{InFlight, Noted, RequestContext, Route};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    check::{Check, Latch},
    history::{Requests, millis},
    load::Load,
    memory::Memory,
    runtime::Runtime,
};

/// All of one moment.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) schema: u32,
    pub(crate) service: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) pid: u32,
    pub(crate) phase: Option<&'static str>,
    /// Since when the process is in it.
    pub(crate) phase_age_ms: Option<u64>,
    /// What `/readyz` says, for whom a yes or no will do.
    pub(crate) ready: bool,
    pub(crate) uptime_seconds: f64,
    pub(crate) probes: Probes,
    pub(crate) checks: Vec<Check>,
    pub(crate) latches: Vec<Latch>,
    pub(crate) in_flight: Option<Flight>,
    pub(crate) requests: Option<Requests>,
    pub(crate) noted: Option<Vec<Ended>>,
    pub(crate) load: Option<Load>,
    pub(crate) runtime: Option<Runtime>,
    pub(crate) memory: Memory,
    pub(crate) gauges: Vec<Gauge>,
}

/// What each of the probes says.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Probes {
    pub(crate) livez: &'static str,
    pub(crate) readyz: &'static str,
    pub(crate) startupz: &'static str,
}

/// The requests that are not over.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Flight {
    /// Those without a context too, of which nothing else is known.
    pub(crate) total: usize,
    pub(crate) slowest: Vec<Request>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Request {
    pub(crate) id: Option<String>,
    pub(crate) method: &'static str,
    pub(crate) route: Option<&'static str>,
    pub(crate) stage: &'static str,
    pub(crate) age_ms: u64,
}

/// A request that is over, and was slow or failed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ended {
    pub(crate) id: Option<String>,
    pub(crate) method: &'static str,
    pub(crate) route: Option<&'static str>,
    pub(crate) status: Option<u16>,
    pub(crate) outcome: &'static str,
    pub(crate) took_ms: f64,
    /// How long ago it ended.
    pub(crate) ago_ms: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Gauge {
    pub(crate) name: &'static str,
    pub(crate) labels: BTreeMap<&'static str, String>,
    pub(crate) value: f64,
}

impl Gauge {
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

impl Flight {
    pub(crate) fn of(table: &InFlight, now: Instant) -> Self {
        let mut total = 0;
        let mut known = Vec::new();
        table.for_each(|context| {
            total += 1;
            known.extend(context.cloned());
        });
        known.sort_unstable_by_key(RequestContext::arrival);
        known.truncate(SLOWEST);
        Self { total, slowest: known.iter().map(|context| Request::of(context, now)).collect() }
    }
}

impl Request {
    fn of(context: &RequestContext, now: Instant) -> Self {
        Self {
            id: context.request_id().map(|id| id.to_string()),
            method: context.wire().method_name(),
            route: context.route().map(Route::as_str),
            stage: context.stage().as_str(),
            age_ms: whole_millis(now.saturating_duration_since(context.arrival())),
        }
    }
}

impl Ended {
    pub(crate) fn of(noted: &Noted, now: Instant) -> Self {
        Self {
            id: noted.id.map(|id| id.to_string()),
            method: noted.method,
            route: noted.route.map(Route::as_str),
            status: noted.status.map(|status| status.as_u16()),
            outcome: noted.outcome.as_str(),
            took_ms: millis(&noted.took),
            ago_ms: whole_millis(now.saturating_duration_since(noted.ended)),
        }
    }
}

pub(crate) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Counted up when a member changes its meaning or goes; a new one is no change.
pub(crate) const SCHEMA: u32 = 1;
const SLOWEST: usize = 100;
