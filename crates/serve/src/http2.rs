//! An HTTP/2 connection: hyper's, with our clocks beside it.

use std::{future::poll_fn, pin::pin, task::Poll};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{Duration, Instant};
use tracing::debug;

use crate::{
    alarm::Alarm,
    clocks::Waiting,
    http1::MAX_HEAD,
    io::Io,
    order::Order,
    reason::CloseReason,
    service::{App, ConnService},
};

/// Runs the connection to its end.
///
/// It ends by itself once it was told to leave, its peer has acknowledged that, and its streams have ended. A peer
/// that does not acknowledge is dropped when it is silent and runs nothing.
pub(crate) async fn run<S: App>(io: Io, service: S, mut alarm: Alarm, mut waiting: Waiting) {
    let conn = io.conn().clone();
    let service = ConnService::new(service, conn.clone());
    let mut http = pin!(builder().serve_connection(TokioIo::new(io), service));
    // Why the peer was told to leave, once it was.
    let mut told = None;
    // Since when no byte has moved, and how many had until then.
    let mut quiet: Option<(Instant, u64)> = None;

    poll_fn(|cx| {
        conn.task.register(cx.waker());
        loop {
            let order = conn.order();
            if order == Order::Cut {
                conn.close_for(CloseReason::Cut);
                return Poll::Ready(());
            }
            // During the lame duck only after an answer: a client that reads GOAWAY first fails its request unsent.
            if told.is_none() && (order >= Order::Drain || (order == Order::LameDuck && conn.has_answered()))
            {
                http.as_mut().graceful_shutdown();
                told = Some(CloseReason::Retired);
            }
            if let Poll::Ready(result) = http.as_mut().poll(cx) {
                match result {
                    Ok(()) => told.into_iter().for_each(|reason| conn.close_for(reason)),
                    Err(error) => {
                        debug!(peer = %conn.peer, %error, "connection failed");
                        conn.close_for(CloseReason::Failed);
                    }
                }
                return Poll::Ready(());
            }
            if conn.is_busy() || conn.is_tunnel() {
                quiet = None;
                waiting.over(&conn);
                return Poll::Pending;
            }
            let since = waiting.idle(&conn);
            if conn.is_asked_to_leave() {
                conn.close_for(CloseReason::MadeRoom);
                // As much of the GOAWAY as the socket takes: somebody waits for the room.
                http.as_mut().graceful_shutdown();
                let _ = http.as_mut().poll(cx);
                return Poll::Ready(());
            }
            if let Some(why) = told {
                let moved = conn.moved();
                let (since, _) = match quiet {
                    Some(quiet) if quiet.1 == moved => quiet,
                    _ => *quiet.insert((Instant::now(), moved)),
                };
                // Who has acknowledged is only waited for to read what h2 holds for it.
                let (limit, reason) = match why {
                    why if conn.has_ponged() => (conn.clocks.keep_alive_idle, why),
                    CloseReason::Retired => (NO_PONG, CloseReason::NoPong),
                    why => (NO_PONG, why),
                };
                if alarm.poll(cx, since + limit).is_pending() {
                    return Poll::Pending;
                }
                conn.close_for(reason);
                return Poll::Ready(());
            }
            if alarm.poll(cx, since + conn.clocks.keep_alive_idle).is_pending() {
                return Poll::Pending;
            }
            http.as_mut().graceful_shutdown();
            told = Some(CloseReason::KeepAliveIdle);
        }
    })
    .await;
}

fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.max_concurrent_streams(MAX_STREAMS);
    // WebSockets, by RFC 8441.
    builder.enable_connect_protocol();
    builder.max_header_list_size(MAX_HEAD as u32);
    builder
}

/// Streams that a peer may have open at once.
const MAX_STREAMS: u32 = 200;
/// Told to leave, a peer that runs nothing and has not acknowledged is dropped when nothing moved for this long.
const NO_PONG: Duration = Duration::from_secs(1);
