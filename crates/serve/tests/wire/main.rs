//! What a client sees on its socket. Sockets need real time, so waits are for events, with generous bounds.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

mod cancel;
mod cap;
mod clocks;
mod closing;
mod http1_drain;
mod http2;
mod in_axum;
mod request_body;
mod service;
#[cfg(feature = "tls")]
mod tls;
mod town;
mod upgrade;
