//! What of all this stock `axum::serve` can have.

mod drain_listener;
mod linked;

pub use self::{
    drain_listener::{Connection, DrainListener},
    linked::{ExchangeFuture, Linked, LinkedFuture, LinkedService},
};
