//! All that is measured, put together.

use std::{collections::BTreeMap, fmt, sync::Arc};

use macadam_core::{Gauges, Metric, Reading};

use super::{
    Metrics,
    list::{self, ACTIVE, DURATION, FIRST_BYTE, STREAMS},
    series::Identity,
    text::{Format, Pairs, Text},
};
use crate::handle::TelemetryHandle;

/// All that is measured, as a text that Prometheus reads: what a [`TelemetryLayer`](crate::TelemetryLayer) measures of requests, and the
/// figures of any handles besides.
///
/// ```
/// use std::sync::Arc;
///
/// use macadam_telemetry::{Exposition, Format, TelemetryLayer};
///
/// let (layer, handle) = TelemetryLayer::new().pair();
/// let exposition = Exposition::new().gauges(Arc::new(handle.clone())).requests(handle);
/// assert!(exposition.text(Format::OpenMetrics).ends_with("# EOF\n"));
/// # drop(layer);
/// ```
pub struct Exposition {
    requests: Option<TelemetryHandle>,
    gauges: Vec<Arc<dyn Gauges>>,
}

impl Exposition {
    /// What the metrics of [requests](Self::requests) mean.
    pub const REQUESTS: &'static [Metric] = list::ALL;

    /// Of nothing yet.
    #[expect(clippy::new_without_default, reason = "an exposition of nothing is a beginning, not a default")]
    pub fn new() -> Self {
        Self { requests: None, gauges: Vec::new() }
    }

    /// With the metrics of this layer's requests.
    #[must_use]
    pub fn requests(self, handle: TelemetryHandle) -> Self {
        Self { requests: Some(handle), ..self }
    }

    /// With the figures of this handle.
    #[must_use]
    pub fn gauges(mut self, gauges: Arc<dyn Gauges>) -> Self {
        self.gauges.push(gauges);
        self
    }

    /// The text, as things are now. It reads what requests write without a lock that they take.
    pub fn text(&self, format: Format) -> String {
        let mut text = Text::new(format);
        if let Some(requests) = &self.requests {
            of_requests(requests.recorded(), &mut text);
        }
        Figures::read(&self.gauges).write(&mut text);
        text.finish()
    }
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exposition").finish_non_exhaustive()
    }
}

fn of_requests(metrics: &Metrics, text: &mut Text) {
    text.describe(&DURATION);
    for point in metrics.durations() {
        text.histogram(DURATION.name, &pairs(point.identity), &point);
    }
    text.describe(&FIRST_BYTE);
    for point in metrics.first_bytes() {
        text.histogram(FIRST_BYTE.name, &pairs(point.identity), &point);
    }
    text.describe(&STREAMS);
    for (identity, count) in metrics.streams() {
        text.whole(STREAMS.name, &pairs(identity), count);
    }
    text.describe(&ACTIVE);
    for (method, scheme, count) in metrics.active() {
        let pairs = [(list::METHOD, method), (list::SCHEME, scheme.as_str())].into_iter().collect();
        text.whole(ACTIVE.name, &pairs, count);
    }
}

fn pairs(identity: Option<&Identity>) -> Pairs {
    let mut pairs = Pairs::default();
    let Some((labels, route)) = identity else {
        pairs.push(list::OVERFLOW, "true");
        return pairs;
    };
    pairs.push(list::METHOD, labels.method());
    if let Some(route) = route {
        pairs.push(list::ROUTE, route.as_str());
    }
    if labels.status() > 0 {
        pairs.push(list::STATUS, &labels.status().to_string());
    }
    if let Some(error) = labels.error() {
        pairs.push(list::ERROR, &error);
    }
    pairs.push(list::VERSION, labels.version());
    pairs.push(list::SCHEME, labels.scheme().as_str());
    pairs
}

/// What handles say, by name: a name's lines have to stand together.
struct Figures(BTreeMap<&'static str, Family>);

struct Family {
    metric: Metric,
    lines: Vec<(Pairs, f64)>,
}

impl Figures {
    fn read(handles: &[Arc<dyn Gauges>]) -> Self {
        let mut families = BTreeMap::<_, Family>::new();
        for handle in handles {
            for metric in handle.metrics() {
                families.entry(metric.name).or_insert(Family { metric: *metric, lines: Vec::new() });
            }
            handle.read(&mut |Reading { name, labels, value }| {
                let unsaid = || Family { metric: Metric::new(name, "", &[]), lines: Vec::new() };
                let pairs = labels.iter().copied().collect();
                families.entry(name).or_insert_with(unsaid).lines.push((pairs, value));
            });
        }
        families.retain(|_, family| !family.lines.is_empty());
        Self(families)
    }

    fn write(&self, text: &mut Text) {
        for (name, Family { metric, lines }) in &self.0 {
            text.describe(metric);
            lines.iter().for_each(|(pairs, value)| text.figure(name, pairs, *value));
        }
    }
}
