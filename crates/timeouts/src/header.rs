//! The headers in which services tell each other how long they wait.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::grammar::Grammar;

/// A header in which a caller says how long it will wait. It is a duration and no instant, since no two machines agree
/// on the time.
///
/// | | header | form |
/// |---|---|---|
/// | [`grpc`](Self::grpc) | `grpc-timeout` | 1 to 8 digits and a unit: `H`, `M`, `S`, `m`, `u` or `n` |
/// | [`connect`](Self::connect) | `connect-timeout-ms` | milliseconds, 1 to 10 digits |
/// | [`envoy`](Self::envoy) | `x-envoy-expected-rq-timeout-ms` | the same, and `0` is for ever |
/// | [`millis`](Self::millis) | one of your own | milliseconds, 1 to 10 digits |
///
/// What is read is read strictly: no sign, no space, no fraction. What is written is never more than is left, so the
/// next hop gives up first; grpc-go, which rounds up, does not promise that.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TimeoutHeader {
    name: HeaderName,
    grammar: Grammar,
}

impl TimeoutHeader {
    /// gRPC's `grpc-timeout`, by its [protocol](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
    pub const fn grpc() -> Self {
        Self { name: HeaderName::from_static("grpc-timeout"), grammar: Grammar::Grpc }
    }

    /// Connect's `connect-timeout-ms`, by its [protocol](https://connectrpc.com/docs/protocol).
    pub const fn connect() -> Self {
        Self { name: HeaderName::from_static("connect-timeout-ms"), grammar: Grammar::Millis }
    }

    /// `x-envoy-expected-rq-timeout-ms`, in which Envoy says how long it will wait for the service behind it.
    pub const fn envoy() -> Self {
        Self { name: HeaderName::from_static("x-envoy-expected-rq-timeout-ms"), grammar: Grammar::Envoy }
    }

    /// Milliseconds in a header of your own: no standard has one. The road's default is `x-request-timeout-ms`.
    pub const fn millis(name: HeaderName) -> Self {
        Self { name, grammar: Grammar::Millis }
    }

    /// The header's name.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Reads a value; `None` if it is malformed.
    pub fn parse(&self, value: &HeaderValue) -> Option<Duration> {
        self.grammar.parse(value.as_bytes())
    }

    /// Writes what is left; `None` where that is less than the header can say.
    pub fn value(&self, left: Duration) -> Option<HeaderValue> {
        self.grammar.value(left)
    }

    /// Whether it means something in a gRPC request alone.
    pub(crate) fn is_grpc(&self) -> bool {
        self.grammar == Grammar::Grpc
    }
}
