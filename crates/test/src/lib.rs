//! Unpublished: what macadam's tests share.
//!
//! | module | what a test gets from it |
//! |---|---|
//! | [`service`](mod@service) | a service whose readiness, answers and failures the test decides, and which keeps watch over tower's contract |
//! | [`body`] | a body that plays a script, and tells how it was treated |
//! | [`contract`] | what every layer of macadam has to keep, checked in one call |
//! | [`events`] | the spans and events that a piece of code records |
//! | [`Collector`] | what a process sends to an OpenTelemetry collector |
//! | [`allocations`](allocations()) | how often a piece of code allocates |
//! | [`wire`] | one HTTP/1.1 exchange on a raw socket, byte by byte |

mod allocations;
pub mod body;
mod collector;
pub mod contract;
pub mod events;
mod refused;
pub mod service;
pub mod wire;

pub use allocations::{Allocations, allocations, allocations_of, allocations_of_requests};
pub use body::{BodyHandle, ScriptedBody, Step};
pub use collector::Collector;
pub use refused::Refused;
pub use service::{Exchange, Script, ScriptedService, service};
