//! An HTTP/2 connection: hyper's, with our clocks beside it.

use std::{
    future::poll_fn,
    mem,
    pin::pin,
    task::{Context, Poll, ready},
};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{Duration, Instant};
use tracing::debug;

use crate::{
    age::{Age, Stage},
    alarm::Alarm,
    clocks::Waiting,
    conn::Conn,
    http1::MAX_HEAD,
    io::Io,
    order::Order,
    patience::{Look, Patience},
    reason::CloseReason,
    service::{App, ConnService},
};

/// Runs the connection to its end.
///
/// It ends by itself once it was told to leave, its peer has acknowledged that, and its streams have ended. A peer
/// that does not acknowledge is dropped when it is silent and runs nothing.
pub(crate) async fn run<S: App>(io: Io, service: S, mut alarm: Alarm, mut age: Age, mut waiting: Waiting) {
    let conn = io.conn().clone();
    let service = ConnService::new(service, conn.clone());
    let mut http = pin!(builder().serve_connection(TokioIo::new(io), service));
    // Why the peer was told to leave, once it was.
    let mut told = None;
    // Since when no byte has moved, and how many had until then.
    let mut quiet: Option<(Instant, u64)> = None;
    let mut reading = Reading::new(&conn);
    let mut head = HeadClock::since(Instant::now());

    poll_fn(|cx| {
        conn.task.register(cx.waker());
        loop {
            let order = conn.order();
            if order == Order::Cut {
                conn.close_for(CloseReason::Cut);
                return Poll::Ready(());
            }
            let age = age.poll(cx);
            // During the lame duck only after an answer: a client that reads GOAWAY first fails its request unsent.
            let leaves = match order {
                Order::Drain => Some(CloseReason::Retired),
                Order::LameDuck if conn.has_answered() => Some(CloseReason::Retired),
                _ => (age >= Stage::Old).then_some(CloseReason::MaxAge),
            };
            if told.is_none() && leaves.is_some() {
                http.as_mut().graceful_shutdown();
                told = leaves;
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
            if age == Stage::Over {
                conn.close_for(CloseReason::MaxAge);
                return Poll::Ready(());
            }
            let is_busy = conn.is_busy() || conn.is_tunnel();
            // Told to leave and without a stream, it is there for nothing but to read what h2 still has for it.
            if (is_busy || told.is_some()) && reading.poll_too_slow(cx, &conn, is_busy).is_ready() {
                conn.close_for(CloseReason::SlowReader);
                return Poll::Ready(());
            }
            if is_busy {
                quiet = None;
                waiting.over(&conn);
                return Poll::Pending;
            }
            let since = waiting.idle(&conn);
            let asked_to_leave = conn.is_asked_to_leave();
            let head_due = head.begun(&conn).map(|begun| conn.clocks.header_due(&conn.house, begun));
            let head_over = head_due.is_some_and(|due| alarm.poll(cx, due).is_ready());
            if asked_to_leave || head_over {
                conn.close_for(if head_over { CloseReason::Header } else { CloseReason::MadeRoom });
                // As much of the GOAWAY as the socket takes: somebody waits for the room, or nobody listens.
                http.as_mut().graceful_shutdown();
                let _ = http.as_mut().poll(cx);
                return Poll::Ready(());
            }
            if let Some(why) = told {
                if conn.http2.has_ponged() {
                    return Poll::Pending;
                }
                let moved = conn.moved();
                let (since, _) = match quiet {
                    Some(quiet) if quiet.1 == moved => quiet,
                    _ => *quiet.insert((Instant::now(), moved)),
                };
                if alarm.poll(cx, since + NO_PONG).is_pending() {
                    return Poll::Pending;
                }
                conn.close_for(if why == CloseReason::Retired { CloseReason::NoPong } else { why });
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

/// Whether the peer lets us send what there is for it. One that opens no window is never asked by h2 to take anything,
/// so nothing waits for the socket; what waits are its streams.
struct Reading {
    patience: Patience,
    sent: u64,
    waited: bool,
}

impl Reading {
    fn new(conn: &Conn) -> Self {
        Self { patience: Patience::with_a_reader(&conn.clocks), sent: 0, waited: false }
    }

    /// Looks every few seconds, whatever happens in between: nobody wakes this task when a stream begins to wait. The
    /// time between two looks counts if streams waited at both.
    fn poll_too_slow(&mut self, cx: &mut Context<'_>, conn: &Conn, is_busy: bool) -> Poll<()> {
        loop {
            let look = ready!(self.patience.poll_look(cx));
            let waits = !is_busy || conn.http2.is_unread();
            let waited = mem::replace(&mut self.waited, waits) && waits;
            let sent = conn.http2.data_sent();
            let moved = sent - mem::replace(&mut self.sent, sent);
            let too_slow = match (waited, moved) {
                (false, _) => {
                    self.patience.rest();
                    false
                }
                (true, 0) => look == Look::TooLong,
                (true, moved) => !self.patience.moved(moved),
            };
            if too_slow {
                return Poll::Ready(());
            }
        }
    }
}

/// When the head that the peer has begun did begin: its preface with the SETTINGS that belong to it, or a block of
/// headers.
struct HeadClock {
    since: Instant,
    /// The block that began then, or 0 for the preface.
    block: u32,
}

impl HeadClock {
    fn since(preface: Instant) -> Self {
        Self { since: preface, block: 0 }
    }

    fn begun(&mut self, conn: &Conn) -> Option<Instant> {
        if !conn.http2.has_greeted() {
            return Some(self.since);
        }
        let block = conn.http2.block()?;
        if block != self.block {
            *self = Self { since: Instant::now(), block };
        }
        Some(self.since)
    }
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
