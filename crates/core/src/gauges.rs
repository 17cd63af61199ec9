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
pub struct Metric {
    /// The reading's name.
    pub name: &'static str,
    /// A sentence, without its full stop.
    pub help: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
}

impl Metric {
    /// A name, what it means, and the names of its labels.
    pub const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, help, labels }
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
