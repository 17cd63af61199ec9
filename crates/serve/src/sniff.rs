//! Which protocol a new connection speaks.

use std::{future::poll_fn, task::Poll};

use tokio::time::Instant;

use crate::{alarm::Alarm, io::Io, order::Order, pong::PREFACE, reason::CloseReason};

/// How a connection opened.
pub(crate) enum Opening {
    /// It speaks; its first byte was seen at the instant.
    Http1(Instant),
    Http2,
    /// Its first bytes could have become either when its time was over.
    Undecided(CloseReason),
    /// It never spoke.
    Silent(CloseReason),
}

/// Reads until the protocol is clear. This is what hyper-util's `auto` does without a clock.
pub(crate) async fn sniff(io: &mut Io, alarm: &mut Alarm, accepted: Instant) -> Opening {
    let conn = io.conn().clone();
    let mut begun = None;
    poll_fn(|cx| {
        conn.task.register(cx.waker());
        if conn.order() == Order::Cut {
            return Poll::Ready(Opening::Silent(CloseReason::Cut));
        }
        while let Poll::Ready(sniffed) = io.poll_sniff(cx) {
            let bytes = match sniffed {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Poll::Ready(Opening::Silent(CloseReason::Ended)),
                Err(_) => return Poll::Ready(Opening::Silent(CloseReason::Failed)),
            };
            let begun = *begun.get_or_insert_with(Instant::now);
            if !PREFACE.starts_with(bytes) {
                return Poll::Ready(Opening::Http1(begun));
            }
            if bytes.len() == PREFACE.len() {
                return Poll::Ready(Opening::Http2);
            }
        }
        let ending = match begun {
            None => Opening::Silent,
            Some(_) => Opening::Undecided,
        };
        if conn.is_asked_to_leave() {
            return Poll::Ready(ending(CloseReason::MadeRoom));
        }
        let (due, reason) = match begun {
            None => (conn.clocks.first_byte_due(&conn.house, accepted), CloseReason::FirstByte),
            Some(begun) => (conn.clocks.header_due(&conn.house, begun), CloseReason::Header),
        };
        alarm.poll(cx, due).map(|()| ending(reason))
    })
    .await
}
