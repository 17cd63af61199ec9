//! Why a connection ended.

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// Why a connection ended, as [`Handle`](crate::Handle)'s figures tell it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum CloseReason { $($(#[$doc])* $variant,)+ }

        impl CloseReason {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word for it in labels.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

reasons! {
    /// The client closed it, or either side had said `Connection: close`; for an upgraded one, whoever held it let go.
    Ended = "ended",
    /// The transport, the protocol, or the service failed.
    Failed = "failed",
    /// A panic took it along.
    Panicked = "panicked",
    /// Its TLS handshake was not complete in time.
    TlsHandshake = "tls-handshake",
    /// Its TLS handshake failed: what came was no TLS, or either side refused what the other offered.
    TlsFailed = "tls-failed",
    /// Its first byte did not come in time.
    FirstByte = "first-byte",
    /// A head did not come whole in time.
    Header = "header",
    /// It was idle for too long.
    KeepAliveIdle = "keep-alive-idle",
    /// HTTP/1: a request's body did not come in time.
    RequestBody = "request-body",
    /// It took what it was sent too slowly, or none of it for too long.
    SlowReader = "slow-reader",
    /// It had reached its greatest age.
    MaxAge = "max-age",
    /// It was idle, and the process drains.
    Retired = "retired",
    /// It waited longest when there was no room for a new one.
    MadeRoom = "made-room",
    /// HTTP/2: told to leave, it ran no stream and did not acknowledge.
    NoPong = "no-pong",
    /// It was still there when the drain ran out of time.
    Cut = "cut",
}
