//! Virtual time, in whole nanoseconds from the start.

pub(crate) type Nanos = u64;

pub(crate) const NEVER: Nanos = Nanos::MAX;
pub(crate) const SECOND: Nanos = 1_000_000_000;
pub(crate) const MILLI: Nanos = 1_000_000;

pub(crate) fn nanos(seconds: f64) -> Nanos {
    (seconds * SECOND as f64).round() as Nanos
}

pub(crate) fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / SECOND as f64
}
