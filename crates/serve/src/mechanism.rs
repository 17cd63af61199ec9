//! The parts that a drain is made of, and a way to take one out.
//!
//! What nobody misses when it is gone is not needed, or not tested. With the feature `fault-injection`, which nothing but a
//! test of that enables, a server works [without](crate::Server::without) one of them; else the question is no code.

use crate::house::House;

/// A part of the drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// To know of bytes that hyper has read and not begun.
    Mark,
    /// To know of an answer that hyper has not written.
    Flush,
    /// To look for bytes in the kernel.
    Kernel,
    /// To have hyper read once more when it has written.
    WakeOnFlush,
    /// To wake connections that have nothing to do.
    Wake,
    /// To say `Connection: close`.
    CloseHeader,
    /// To say GOAWAY in the lame duck.
    EarlyGoAway,
    /// Not to say it before the first answer.
    FirstAnswer,
    /// In the drain, not to say it before the first stream.
    FirstStream,
    /// To hang up on who does not acknowledge it.
    HangUp,
    /// To give a fresh connection, half a head and half a handshake their time.
    Patience,
    /// To give them less of it than usual.
    Hurry,
    /// To read on behind our end of file.
    Linger,
    /// To accept what the kernel has accepted.
    Backlog,
}

impl House {
    /// Whether it works with this. A constant without the feature.
    #[inline]
    pub(crate) fn has(&self, mechanism: Mechanism) -> bool {
        #[cfg(feature = "fault-injection")]
        if self.without == Some(mechanism) {
            return false;
        }
        let _ = mechanism;
        true
    }
}
