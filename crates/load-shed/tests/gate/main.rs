//! The gate before a scripted service.
#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

mod beat;
mod bodies;
mod claims;
mod limit;
mod modes;
mod permit;
mod queue;
mod rejection;
mod stand;
mod upload;
