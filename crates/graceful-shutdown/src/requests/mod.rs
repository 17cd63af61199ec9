//! Requests, from the layer's call to their response's end, or its turn to end.

mod body;
mod guard;
mod layer;
mod roll;
mod seat;
mod service;

pub(crate) use self::roll::{NAMED, Roll};
pub use self::{
    body::{DrainBody, Finite},
    guard::DrainGuard,
    layer::DrainLayer,
    roll::CutRequest,
    service::{DrainFuture, DrainService},
};
