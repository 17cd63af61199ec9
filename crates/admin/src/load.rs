//! What the load shedder says among the other figures: the one place here that knows its names.

use serde::Serialize;

use crate::status::Gauge;

/// How the service stands its load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Load {
    /// How many requests may be worked on at a time.
    pub(crate) limit: f64,
    /// How many are.
    pub(crate) working: f64,
    /// How many wait for that.
    pub(crate) queued: f64,
    /// How late the executor last was.
    pub(crate) lag_ms: Option<f64>,
    /// How many were refused so far, by reason.
    pub(crate) refused: Vec<Refused>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    pub(crate) total: f64,
}

impl Load {
    /// `None` where nothing sheds.
    pub(crate) fn of(gauges: &[Gauge]) -> Option<Self> {
        let named = |name: &'static str| gauges.iter().filter(move |gauge| gauge.name == name);
        let value = |name: &'static str| named(name).next().map(|gauge| gauge.value);
        let working = named("macadam_load_shed_in_flight").find(|gauge| gauge.label("phase") == Some("slot"));
        let refused = named("macadam_load_shed_refused_total").filter_map(|gauge| {
            Some(Refused { reason: gauge.label("reason")?.to_owned(), total: gauge.value })
        });
        Some(Self {
            limit: value("macadam_load_shed_limit")?,
            working: working?.value,
            queued: value("macadam_load_shed_queued")?,
            lag_ms: value("macadam_load_shed_lag_seconds").map(|seconds| seconds * 1e3),
            refused: refused.collect(),
        })
    }

    /// The reasons for which any were refused.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = &Refused> {
        self.refused.iter().filter(|refused| refused.total > 0.0)
    }
}
