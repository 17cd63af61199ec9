//! An HTTP/2 connection: hyper's, with our clocks beside it.

mod cancel;
mod farewell;
mod frames;
mod reading;

use std::{
    future::poll_fn,
    pin::pin,
    task::{Poll, ready},
};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tracing::debug;

use self::farewell::{Farewell, Word};
pub(crate) use self::{
    cancel::CancelBody,
    frames::{Frames, Http2, PREFACE},
};
use crate::{
    clocks::{Age, Alarm, Waiting},
    http1::MAX_HEAD,
    io::Io,
    order::Order,
    reason::CloseReason,
    service::{App, ConnService},
};

/// Runs the connection to its end.
pub(crate) async fn run<S: App>(io: Io, service: S, alarm: Alarm, age: Age, waiting: Waiting) {
    let conn = io.conn().clone();
    let service = ConnService::new(service, conn.clone());
    let mut http = pin!(builder().serve_connection(TokioIo::new(io), service));
    let mut farewell = Farewell::new(&conn, alarm, age, waiting);

    poll_fn(|cx| {
        conn.task.register(cx.waker());
        loop {
            if conn.order() == Order::Cut {
                conn.close_for(CloseReason::Cut);
                return Poll::Ready(());
            }
            if let Poll::Ready(result) = http.as_mut().poll(cx) {
                if let Err(error) = result {
                    debug!(peer = %conn.peer, %error, "connection failed");
                    conn.close_for(CloseReason::Failed);
                } else {
                    farewell.taken();
                }
                return Poll::Ready(());
            }
            match ready!(farewell.poll(cx)) {
                Word::GoAway => http.as_mut().graceful_shutdown(),
                Word::HangUp(reason) => {
                    conn.close_for(reason);
                    conn.http2.hang_up();
                }
                Word::Parting(reason) => {
                    conn.close_for(reason);
                    // As much of the GOAWAY as the socket takes: somebody waits for the room, or nobody listens.
                    http.as_mut().graceful_shutdown();
                    let _ = http.as_mut().poll(cx);
                    return Poll::Ready(());
                }
                Word::Silence(reason) => {
                    conn.close_for(reason);
                    return Poll::Ready(());
                }
            }
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
