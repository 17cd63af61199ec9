//! How a layer's handle is read from outside.

/// One figure of a handle, now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading<'a> {
    /// The name in Prometheus' form, `macadam_load_shed_in_flight`, with its unit at the end where it has one
    /// (`_seconds`, `_bytes`). One that ends in `_total` only ever grows.
    pub name: &'static str,
    /// What tells figures of one name apart: few labels, of few values each, none of them a peer's to choose.
    pub labels: &'a [(&'static str, &'a str)],
    /// The value.
    pub value: f64,
}

/// What a name of a [`Reading`] means, for whoever reads it without the code at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// The reading's name.
    pub name: &'static str,
    /// A sentence, without its full stop.
    pub help: &'static str,
    /// The names of its labels, those included that a reading may do without.
    pub labels: &'static [&'static str],
    /// How its values are to be read.
    pub kind: MetricKind,
    /// How many readings of this name there may be at a time, in one process.
    pub series: Series,
}

/// How the values of a [`Metric`] are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// They only ever grow, until the process ends.
    Counter,
    /// They go up and down.
    Gauge,
    /// They are counts of what was below each of some bounds.
    Histogram,
}

/// How many combinations of its labels' values a [`Metric`] may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// So many.
    AtMost(usize),
    /// One for each of what the service has of this: of its checks, say.
    Each(&'static str),
    /// Nobody has said.
    Unsaid,
}

impl Metric {
    /// A name, what it means, and the names of its labels. It is a counter if its name ends in `_total`, and else a gauge.
    pub const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        let kind = if ends_with(name, "_total") { MetricKind::Counter } else { MetricKind::Gauge };
        let series = if labels.is_empty() { Series::AtMost(1) } else { Series::Unsaid };
        Self { name, help, labels, kind, series }
    }

    /// One that is a histogram.
    pub const fn histogram(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { kind: MetricKind::Histogram, ..Self::new(name, help, labels) }
    }

    /// With so many combinations of its labels' values, or fewer.
    #[must_use]
    pub const fn at_most(self, series: usize) -> Self {
        Self { series: Series::AtMost(series), ..self }
    }

    /// With one combination for each of these.
    #[must_use]
    pub const fn each(self, what: &'static str) -> Self {
        Self { series: Series::Each(what), ..self }
    }

    /// The unit in which it is measured, as its name says it: `seconds` or `bytes`. None where it is a number of things.
    pub fn unit(&self) -> Option<&'static str> {
        let (_, last) = self.stem().rsplit_once('_')?;
        ["seconds", "bytes"].into_iter().find(|unit| *unit == last)
    }

    /// The name without the `_total` of a counter.
    pub fn stem(&self) -> &'static str {
        self.name.strip_suffix("_total").unwrap_or(self.name)
    }
}

impl MetricKind {
    /// The word for it in the text that Prometheus reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// `str::ends_with` is not const.
const fn ends_with(text: &str, end: &str) -> bool {
    match text.as_bytes().split_at_checked(text.len().saturating_sub(end.len())) {
        Some((_, last)) => same(last, end.as_bytes()),
        None => false,
    }
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    match (left, right) {
        ([], []) => true,
        ([one, left @ ..], [other, right @ ..]) => *one == *other && same(left, right),
        _ => false,
    }
}

/// Figures that can be read at any time, without a call on any request's path.
///
/// Every handle of a macadam layer implements this; the admin listener and the telemetry crate read it.
///
/// ```
/// use macadam_core::{Gauges, Metric, Reading};
///
/// struct Door;
///
/// impl Gauges for Door {
///     fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
///         out(Reading { name: "door_open", labels: &[("side", "front")], value: 1.0 });
///     }
///
///     fn metrics(&self) -> &'static [Metric] {
///         const { &[Metric::new("door_open", "Whether the door is open", &["side"])] }
///     }
/// }
///
/// let mut seen = Vec::new();
/// Door.read(&mut |reading| seen.push((reading.name, reading.value)));
/// assert_eq!(seen, [("door_open", 1.0)]);
/// ```
pub trait Gauges: Send + Sync + 'static {
    /// Calls `out` once for each figure.
    fn read(&self, out: &mut dyn FnMut(Reading<'_>));

    /// What the names mean: every one that [`read`](Self::read) may give. None by default: where a reader expects them, as
    /// Prometheus does, a name without a meaning is shown without.
    fn metrics(&self) -> &'static [Metric] {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_the_kind_and_the_unit() {
        let of = |name| {
            let metric = Metric::new(name, "", &[]);
            (metric.kind, metric.unit(), metric.stem())
        };
        assert_eq!(of("door_opened_total"), (MetricKind::Counter, None, "door_opened"));
        assert_eq!(
            of("door_ajar_seconds_total"),
            (MetricKind::Counter, Some("seconds"), "door_ajar_seconds")
        );
        assert_eq!(of("door_mass_bytes"), (MetricKind::Gauge, Some("bytes"), "door_mass_bytes"));
        assert_eq!(of("total"), (MetricKind::Gauge, None, "total"));
    }
}
