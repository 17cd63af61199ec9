//! The gate before a scripted service.

mod limit;
mod modes;
mod permit;
mod queue;
mod rejection;
mod stand;
