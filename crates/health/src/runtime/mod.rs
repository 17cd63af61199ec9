//! Whether the runtime of a service still moves, seen from outside it.
//!
//! A probe that is answered elsewhere says nothing of the runtime that has to answer the requests. That one counts: for
//! each worker, how often it went to sleep and woke, and for how long it was busy (`tokio::runtime::RuntimeMetrics`,
//! the stable part). A worker hands its counts in when it goes to sleep, when it wakes, and after every 61 polls, when
//! it looks for I/O and timers. So one that is awake, by an even count, and whose counts stay as they were, has not
//! looked for I/O and timers ever since: it sits in one poll, or in a round of long ones. It stands still.
//!
//! All of this is read by another thread, without a task in the runtime that might not run, at no cost to a request.

mod finding;
mod still;
mod watch;

pub(crate) use self::finding::Found;
pub use self::watch::RuntimeWatch;

/// The name in probes.
pub(crate) const RUNTIME: &str = "runtime";
