//! The kinds of refusals, and all that follows from a kind.

use std::fmt;

use http::StatusCode;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $status:ident, $grpc:literal, $detail:literal;)+) => {
        /// Why a request was refused. Title, gRPC status and, unless it is [said otherwise](super::Rejection::with_status), status
        /// follow from it, here and nowhere else.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Kind { $($(#[$doc])* $kind,)+ }

        impl Kind {
            /// The stable name, as in the problem's `type`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// The status: always a 4xx or 5xx.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)+ }
            }

            /// The gRPC status code.
            pub fn grpc_status(self) -> u8 {
                match self { $(Self::$kind => $grpc,)+ }
            }

            /// One sentence for a person.
            pub fn detail(self) -> &'static str {
                match self { $(Self::$kind => $detail,)+ }
            }

            /// The problem document up to its title, and what is between its status and its reason: in as few pieces as
            /// possible, since who refuses by the thousand writes it each time.
            pub(super) fn document(self) -> [&'static str; 2] {
                match self {
                    $(Self::$kind => [
                        concat!(r#"{"type":"urn:problem-type:macadam:"#, $name, r#"","title":""#),
                        concat!(r#","detail":""#, $detail, r#"""#),
                    ],)+
                }
            }
        }
    };
}

kinds! {
    /// No room; the handler did not run.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, 14,
        "The service has no room for this request. It was not processed; try again later.";
    /// No room for more of this tenant, while others have less; the handler did not run.
    OverShare = "over-share", TOO_MANY_REQUESTS, 8,
        "Too many requests at a time, while the service is full. It was not processed; try again later.";
    /// The deadline passed, or could not be met, before the handler ran.
    Deadline = "deadline", SERVICE_UNAVAILABLE, 4,
        "The deadline could not be met. The request was not processed.";
    /// The deadline passed while the handler ran.
    DeadlineExceeded = "deadline-exceeded", GATEWAY_TIMEOUT, 4,
        "The deadline passed while the request was processed.";
    /// The client did not say in a form that exists how long it waits; the handler did not run. (13 is how every gRPC client
    /// reads a 400, and how grpc-go answers a timeout that it cannot read.)
    MalformedTimeout = "malformed-timeout", BAD_REQUEST, 13,
        "A header that says how long the client waits is malformed. The request was not processed.";
    /// The client did not send its request in time.
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, 4,
        "The request was not received in time.";
    /// The request's body is larger than the service reads.
    ContentTooLarge = "content-too-large", PAYLOAD_TOO_LARGE, 8,
        "The request's body is larger than the service accepts.";
    /// The handler panicked.
    Panicked = "panicked", INTERNAL_SERVER_ERROR, 13,
        "The service failed on this request.";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
