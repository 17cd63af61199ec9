//! Which protocol a new connection speaks.

use std::{future::poll_fn, task::Poll};

use tokio::time::Instant;

use crate::{clocks::Alarm, http2::PREFACE, io::Io, order::Order, reason::CloseReason, transport::Protocol};

/// How a connection opened.
pub(crate) enum Opening {
    /// It speaks; its first byte was seen at the instant.
    Http1(Instant),
    Http2,
    /// Its first bytes could have become either when its time was over.
    Undecided(CloseReason),
    /// It never spoke, or not what it said it would.
    Silent(CloseReason),
}

/// Reads until the protocol is clear, and not nothing: who has agreed on one may still be silent. This is what
/// hyper-util's `auto` does without a clock.
pub(crate) async fn sniff(io: &mut Io, alarm: &mut Alarm, since: Instant) -> Opening {
    let conn = io.conn().clone();
    let agreed = io.agreed();
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
            match (agreed, spoken(bytes)) {
                (Some(Protocol::Http1), _) | (None, Some(Protocol::Http1)) => {
                    return Poll::Ready(Opening::Http1(begun));
                }
                // What was to be a preface and is none is hyper's to refuse.
                (_, Some(_)) => return Poll::Ready(Opening::Http2),
                (_, None) => {}
            }
        }
        let ending = match begun {
            // Whoever has agreed on HTTP/2 does not understand a 408 in HTTP/1.
            Some(_) if agreed != Some(Protocol::Http2) => Opening::Undecided,
            _ => Opening::Silent,
        };
        if conn.is_asked_to_leave() {
            return Poll::Ready(ending(CloseReason::MadeRoom));
        }
        let (due, reason) = match begun {
            None => (conn.clocks.first_byte_due(&conn.house, since), CloseReason::FirstByte),
            Some(begun) if agreed == Some(Protocol::Http2) => {
                (conn.clocks.handshake_due(&conn.house, begun), CloseReason::Header)
            }
            Some(begun) => (conn.clocks.header_due(&conn.house, begun), CloseReason::Header),
        };
        alarm.poll(cx, due).map(|()| ending(reason))
    })
    .await
}

/// What a connection speaks that begins with `bytes`, if they tell already.
fn spoken(bytes: &[u8]) -> Option<Protocol> {
    if !PREFACE.starts_with(bytes) {
        return Some(Protocol::Http1);
    }
    (bytes.len() == PREFACE.len()).then_some(Protocol::Http2)
}
