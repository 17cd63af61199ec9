//! The metrics as a text that Prometheus reads.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    fmt,
    sync::Arc,
};

use macadam_core::{Gauges, Metric, MetricKind, Reading};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use super::{
    histogram::{BOUNDS, Sum},
    list::{self, ACTIVE, DURATION, FIRST_BYTE, STREAMS},
    series::Identity,
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
    registry: Registry,
    gauges: Vec<Arc<dyn Gauges>>,
}

impl Exposition {
    /// What the metrics of [requests](Self::requests) mean.
    pub const REQUESTS: &'static [Metric] = list::ALL;

    /// Of nothing yet.
    #[expect(clippy::new_without_default, reason = "an exposition of nothing is a beginning, not a default")]
    pub fn new() -> Self {
        Self { registry: Registry::default(), gauges: Vec::new() }
    }

    /// With the metrics of this layer's requests.
    #[must_use]
    pub fn requests(mut self, handle: TelemetryHandle) -> Self {
        self.registry.register_collector(Box::new(Requests(handle)));
        self
    }

    /// With the figures of this handle.
    #[must_use]
    pub fn gauges(mut self, gauges: Arc<dyn Gauges>) -> Self {
        self.gauges.push(gauges);
        self
    }

    /// The text, as things are now. It reads what requests write without a lock that they take.
    pub fn text(&self, format: Format) -> String {
        let mut text = String::new();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Figures::read(&self.gauges)));
        let written = prometheus_client::encoding::text::encode_registry(&mut text, &self.registry)
            .and_then(|()| encode(&mut text, &registry));
        // A `String` takes all that is written to it.
        debug_assert!(written.is_ok());
        match format {
            Format::OpenMetrics => text,
            Format::Prometheus => classic(&text),
        }
    }
}

/// In which form the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The form that Prometheus had before, which people and older tools read.
    Prometheus,
}

impl Format {
    /// OpenMetrics for a scraper whose `Accept` names it, as that of Prometheus does.
    pub fn accepted(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Prometheus,
        }
    }

    /// The media type of the text.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The same in the older form: it calls a counter by its whole name, and knows neither units nor an end.
fn classic(text: &str) -> String {
    let kind = |rest: &str| rest.split_once(' ').map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    let kinds = text.lines().filter_map(|line| kind(line.strip_prefix("# TYPE ")?));
    let counters: HashSet<_> = kinds.filter(|(_, kind)| kind == "counter").map(|(name, _)| name).collect();
    let mut classic = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF") {
        let about =
            ["# HELP ", "# TYPE "].into_iter().find_map(|word| Some((word, line.strip_prefix(word)?)));
        match about.and_then(|(word, rest)| Some((word, rest.split_once(' ')?))) {
            Some((word, (name, rest))) if counters.contains(name) => {
                classic.extend([word, name, "_total ", rest, "\n"]);
            }
            _ => classic.extend([line, "\n"]),
        }
    }
    classic
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exposition").finish_non_exhaustive()
    }
}

/// What is measured of requests.
#[derive(Debug)]
struct Requests(TelemetryHandle);

impl Collector for Requests {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let metrics = self.0.recorded();
        let mut histogram = |metric, sums: &mut dyn Iterator<Item = (Option<&Identity>, Sum)>| {
            let mut family = describe(&mut to, metric)?;
            for (identity, sum) in sums {
                let buckets: Vec<_> =
                    BOUNDS.into_iter().chain([f64::INFINITY]).zip(sum.counts.iter().copied()).collect();
                let labels = labels(identity);
                let mut encoder = family.encode_family(&labels)?;
                encoder.encode_histogram::<[(&str, &str); 0]>(sum.seconds, sum.count(), &buckets, None)?;
            }
            Ok(())
        };
        histogram(&DURATION, &mut metrics.durations())?;
        histogram(&FIRST_BYTE, &mut metrics.first_bytes())?;
        let mut family = describe(&mut to, &STREAMS)?;
        metrics.streams().try_for_each(|(identity, count)| {
            ConstCounter::new(count).encode(family.encode_family(&labels(identity))?)
        })?;
        let mut family = describe(&mut to, &ACTIVE)?;
        metrics.active().try_for_each(|(method, scheme, count)| {
            let labels = [(list::METHOD, method), (list::SCHEME, scheme.as_str())];
            ConstGauge::new(count).encode(family.encode_family(&labels)?)
        })
    }
}

type Pairs = Vec<(&'static str, Cow<'static, str>)>;

fn labels(identity: Option<&Identity>) -> Pairs {
    let Some((labels, route)) = identity else { return vec![(list::OVERFLOW, "true".into())] };
    let mut pairs: Pairs = vec![(list::METHOD, labels.method().into())];
    if let Some(route) = route {
        pairs.push((list::ROUTE, route.as_str().into()));
    }
    if labels.status() > 0 {
        pairs.push((list::STATUS, labels.status().to_string().into()));
    }
    if let Some(error) = labels.error() {
        pairs.push((list::ERROR, error.into()));
    }
    pairs.push((list::VERSION, labels.version().into()));
    pairs.push((list::SCHEME, labels.scheme().as_str().into()));
    pairs
}

/// What handles say, by name: a name's lines have to stand together.
#[derive(Debug)]
struct Figures(BTreeMap<&'static str, Family>);

#[derive(Debug)]
struct Family {
    metric: Metric,
    lines: Vec<(Vec<(&'static str, String)>, f64)>,
}

impl Figures {
    fn read(handles: &[Arc<dyn Gauges>]) -> Self {
        let mut families = BTreeMap::<_, Family>::new();
        for handle in handles {
            for metric in handle.metrics() {
                families.entry(metric.name).or_insert(Family { metric: *metric, lines: Vec::new() });
            }
            handle.read(&mut |Reading { name, labels, value }| {
                let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
                let unsaid = || Family { metric: Metric::new(name, "", &[]), lines: Vec::new() };
                families.entry(name).or_insert_with(unsaid).lines.push((labels, value));
            });
        }
        families.retain(|_, family| !family.lines.is_empty());
        Self(families)
    }
}

impl Collector for Figures {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        for Family { metric, lines } in self.0.values() {
            let mut family = describe(&mut to, metric)?;
            for (labels, value) in lines {
                let one: MetricEncoder<'_> = family.encode_family(labels)?;
                match metric.kind {
                    MetricKind::Counter => ConstCounter::new(*value).encode(one)?,
                    _ => ConstGauge::new(*value).encode(one)?,
                }
            }
        }
        Ok(())
    }
}

/// What stands before the figures. The encoder puts units and suffixes behind the name itself.
fn describe<'a>(
    to: &'a mut DescriptorEncoder<'_>,
    metric: &'a Metric,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    let stem = metric.stem();
    let (stem, unit) = match (stem.strip_suffix("_seconds"), stem.strip_suffix("_bytes")) {
        (Some(stem), _) => (stem, Some(&Unit::Seconds)),
        (_, Some(stem)) => (stem, Some(&Unit::Bytes)),
        _ => (stem, None),
    };
    let kind = match metric.kind {
        MetricKind::Counter => MetricType::Counter,
        MetricKind::Gauge => MetricType::Gauge,
        MetricKind::Histogram => MetricType::Histogram,
    };
    to.encode_descriptor(stem, metric.help, unit, kind)
}
