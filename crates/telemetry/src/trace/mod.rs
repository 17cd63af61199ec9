//! Which trace a request belongs to.

mod ids;

pub use self::ids::{SpanId, Trace, TraceId};
