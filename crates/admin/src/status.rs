//! What the process is doing, as a document.

use std::{collections::BTreeMap, io, sync::Arc};

use macadam_core::{Gauges, InFlight, PhaseWatch, RequestContext};
use macadam_health::Health;
use serde::Serialize;
use tokio::time::Instant;

/// Where the status is read from.
pub(crate) struct Sources {
    pub(crate) since: Instant,
    pub(crate) service: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) health: Health,
    pub(crate) phase: Option<PhaseWatch>,
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) gauges: Vec<Arc<dyn Gauges>>,
}

#[derive(Serialize)]
struct Status<'a> {
    schema: u32,
    service: Option<&'a str>,
    version: Option<&'a str>,
    pid: u32,
    phase: Option<&'static str>,
    ready: bool,
    uptime_seconds: f64,
    in_flight: Option<Requests>,
    gauges: Vec<Gauge>,
}

#[derive(Serialize)]
struct Requests {
    /// Those without a context too, of which nothing else is known.
    total: usize,
    slowest: Vec<Request>,
}

#[derive(Serialize)]
struct Request {
    id: Option<String>,
    method: &'static str,
    route: Option<&'static str>,
    stage: &'static str,
    age_ms: u64,
}

#[derive(Serialize)]
struct Gauge {
    name: &'static str,
    labels: BTreeMap<&'static str, String>,
    value: f64,
}

impl Sources {
    pub(crate) fn document(&self) -> io::Result<Vec<u8>> {
        let now = Instant::now();
        let status = Status {
            schema: SCHEMA,
            service: self.service.as_deref(),
            version: self.version.as_deref(),
            pid: std::process::id(),
            phase: self.phase.as_ref().map(|phase| phase.current().as_str()),
            ready: self.health.is_ready(),
            uptime_seconds: now.saturating_duration_since(self.since).as_secs_f64(),
            in_flight: self.in_flight.as_ref().map(|table| requests(table, now)),
            gauges: self.figures(),
        };
        let mut document = serde_json::to_vec_pretty(&status)?;
        document.push(b'\n');
        Ok(document)
    }

    fn figures(&self) -> Vec<Gauge> {
        let mut figures = Vec::new();
        let handles = self.gauges.iter().map(|gauges| &**gauges);
        for gauges in std::iter::once::<&dyn Gauges>(&self.health).chain(handles) {
            gauges.read(&mut |reading| {
                let labels =
                    reading.labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
                figures.push(Gauge { name: reading.name, labels, value: reading.value });
            });
        }
        figures
    }
}

fn requests(table: &InFlight, now: Instant) -> Requests {
    let mut total = 0;
    let mut known = Vec::new();
    table.for_each(|context| {
        total += 1;
        known.extend(context.cloned());
    });
    known.sort_unstable_by_key(RequestContext::arrival);
    known.truncate(SLOWEST);
    Requests { total, slowest: known.iter().map(|context| request(context, now)).collect() }
}

fn request(context: &RequestContext, now: Instant) -> Request {
    let age = now.saturating_duration_since(context.arrival());
    Request {
        id: context.request_id().map(|id| id.to_string()),
        method: context.wire().method_name(),
        route: context.route().map(macadam_core::Route::as_str),
        stage: context.stage().as_str(),
        age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Counted up when a member changes its meaning or goes; a new one is no change.
const SCHEMA: u32 = 1;
const SLOWEST: usize = 100;
