//! What a client sees on its socket. Sockets need real time, so waits are for events, with generous bounds.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

mod addresses;
mod age;
mod cancel;
mod cap;
mod clocks;
mod closing;
mod drain;
#[cfg(feature = "fault-injection")]
mod faults;
mod http1_drain;
mod http2;
mod http2_slow;
mod in_axum;
mod request_body;
mod service;
mod slow_body;
mod slow_reader;
#[cfg(feature = "tls")]
mod tls;
mod town;
mod upgrade;
