//! An HTTP/1 connection: hyper's, with our clocks beside it.

mod late;
mod linger;
mod unread;

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Poll, ready},
};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt,
    time::{Duration, Instant, timeout},
};
use tracing::debug;

use self::late::request_timeout;
pub(crate) use self::{
    linger::Linger,
    unread::{Drain, Unread},
};
use crate::{
    clocks::{Age, Alarm, Stage, Waiting},
    conn::Place,
    io::Io,
    order::Order,
    reason::CloseReason,
    service::{App, ConnService},
};

enum End {
    /// hyper is done with it, and has shut it down unless it failed.
    Hyper(hyper::Result<()>),
    /// It waited for too long, for this.
    Expired(CloseReason),
    /// It has to go, whatever it does.
    Cut(CloseReason),
}

/// Runs the connection to its end, or to its upgrade.
pub(crate) async fn run<S: App>(io: Io, service: S, mut alarm: Alarm, mut age: Age, mut waiting: Waiting) {
    let conn = io.conn().clone();
    let service = ConnService::new(service, conn.clone());
    let mut http = builder().serve_connection(TokioIo::new(io), service).with_upgrades();

    // The limit of a head that was not read for a while, whose rest may have come.
    let mut last_look = None;
    let end = poll_fn(|cx| {
        conn.task.register(cx.waker());
        if conn.order() == Order::Cut {
            return Poll::Ready(End::Cut(CloseReason::Cut));
        }
        let age = age.poll(cx);
        if age >= Stage::Old {
            conn.set_old();
        }
        if let Poll::Ready(result) = Pin::new(&mut http).poll(cx) {
            return Poll::Ready(End::Hyper(result));
        }
        // A clock may fire only where nothing is in hyper's buffer to be written: taking the connection apart loses
        // that without a word.
        let (due, reason) = match conn.place() {
            Place::Exchange => {
                waiting.over(&conn);
                last_look = None;
                let over = age == Stage::Over;
                return if over { Poll::Ready(End::Cut(CloseReason::MaxAge)) } else { Poll::Pending };
            }
            Place::Head => {
                let due = conn.clocks.header_due(&conn.house, waiting.head(&conn));
                (last_look.unwrap_or(due), CloseReason::Header)
            }
            Place::Idle => {
                (conn.clocks.idle_due(&conn.house, waiting.idle(&conn)), CloseReason::KeepAliveIdle)
            }
        };
        if conn.is_asked_to_leave() {
            return Poll::Ready(End::Expired(CloseReason::MadeRoom));
        }
        if age == Stage::Over {
            return Poll::Ready(End::Expired(CloseReason::MaxAge));
        }
        ready!(alarm.poll(cx, due));
        if last_look.is_none() && reason == CloseReason::Header && conn.listen() {
            last_look = Some(Instant::now() + LAST_LOOK);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(End::Expired(reason))
    })
    .await;

    match end {
        End::Cut(reason) => conn.close_for(reason),
        End::Hyper(Ok(())) => {}
        End::Hyper(Err(error)) => {
            debug!(peer = %conn.peer, %error, "connection failed");
            conn.close_for(CloseReason::Failed);
            // The client may be sending still, and hyper has only let go.
            if let (Some(parts), false) = (http.into_parts(), conn.is_to_be_reset()) {
                close(parts.io.into_inner(), &[]).await;
            }
        }
        End::Expired(reason) => {
            let Some(parts) = http.into_parts() else { return };
            // Some clients end a body with a line too many: not yet a head.
            let begun = parts.read_buf.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
            let reason = match reason {
                CloseReason::Header if !begun => CloseReason::KeepAliveIdle,
                reason => reason,
            };
            expire(parts.io.into_inner(), reason, begun).await;
        }
    }
}

/// Ends a connection whose time is over, with a 408 if a head had begun.
pub(crate) async fn expire(io: Io, reason: CloseReason, begun: bool) {
    io.conn().close_for(reason);
    let answer = if begun { request_timeout() } else { Vec::new() };
    if matches!(reason, CloseReason::MadeRoom | CloseReason::Cut | CloseReason::Failed) {
        // Somebody waits for the room, or for the end, so it does not linger.
        return io.close_with(&answer);
    }
    close(io, &answer).await;
}

/// Says `last` and closes, lingering.
async fn close(mut io: Io, last: &[u8]) {
    let conn = io.conn().clone();
    let closing = async {
        if io.write_all(last).await.is_ok() {
            let _ = io.shutdown().await;
        }
    };
    let mut closing = std::pin::pin!(timeout(LONGEST_CLOSE, closing));
    poll_fn(|cx| {
        conn.task.register(cx.waker());
        if conn.order() == Order::Cut || conn.is_asked_to_leave() {
            return Poll::Ready(());
        }
        closing.as_mut().poll(cx).map(|_| ())
    })
    .await;
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Its clock cannot tell an idle connection from half a head, and answers neither.
    builder.header_read_timeout(None);
    builder.max_header_size(MAX_HEAD);
    builder
}

/// The last answer must be written and the linger over after this long.
const LONGEST_CLOSE: Duration = Duration::from_secs(2);
/// A socket that was asleep is awake after this long, and what has come on it was read.
const LAST_LOOK: Duration = Duration::from_millis(250);
/// Bytes of a request's head, or of its trailers. hyper's own limit is its buffer's: 408 KiB.
pub(crate) const MAX_HEAD: usize = 64 * 1024;
