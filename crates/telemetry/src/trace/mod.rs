//! Which trace a request belongs to.

mod context;
mod ids;
mod recording;
mod w3c;

pub(crate) use self::context::Entered;
pub use self::{
    context::{Inbound, TraceContext},
    ids::{SpanId, Trace, TraceId},
};
