//! Which trace a request belongs to.

mod context;
mod ids;
mod recording;
mod w3c;

pub(crate) use self::{
    context::Entered,
    recording::{Recorded, Start, decided, with_recorder},
};
pub use self::{
    context::{Inbound, TraceContext},
    ids::{SpanId, Trace, TraceId},
};
#[cfg(feature = "otel-0_33")]
pub(crate) use self::{
    recording::{Record, during, is_decided},
    w3c::{Flags, Parent, state_of},
};
