//! A handshake, with a clock on it.

use std::{future::poll_fn, io, pin::pin, sync::Arc, task::Poll};

use tokio::{
    net::TcpStream,
    time::{Duration, Instant},
};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::{Tls, records::Records};
use crate::{
    clocks::{Alarm, sooner_in_a_drain},
    conn::Conn,
    order::Order,
    reason::CloseReason,
    transport::{Opened, Transport},
};

impl Tls {
    /// Begins a session with a client that was accepted at `accepted`, or says why there is none.
    pub(crate) async fn shake_hands(
        &self,
        tcp: TcpStream,
        conn: &Arc<Conn>,
        accepted: Instant,
    ) -> Result<Opened, CloseReason> {
        let mut alarm = Alarm::at(accepted + self.handshake);
        let acceptor = TlsAcceptor::from(self.keyring.config());
        let mut handshake = pin!(acceptor.accept(Records::on(tcp)));
        let session = poll_fn(|cx| {
            conn.task.register(cx.waker());
            if conn.order() == Order::Cut {
                return Poll::Ready(Err(CloseReason::Cut));
            }
            if let Poll::Ready(session) = handshake.as_mut().poll(cx) {
                return Poll::Ready(session.map_err(|error| {
                    debug!(peer = %conn.peer, %error, "no TLS session");
                    reason(&error)
                }));
            }
            if conn.is_asked_to_leave() {
                return Poll::Ready(Err(CloseReason::MadeRoom));
            }
            let due = sooner_in_a_drain(&conn.house, accepted, self.handshake, DRAIN_HANDSHAKE);
            alarm.poll(cx, due).map(|()| Err(CloseReason::TlsHandshake))
        })
        .await?;
        Ok(Opened { transport: Transport::Tls(Box::new(session)), since: Instant::now(), alarm })
    }
}

fn reason(error: &io::Error) -> CloseReason {
    match error.kind() {
        // Load balancers look whether the port is open, and go.
        io::ErrorKind::UnexpectedEof => CloseReason::Ended,
        // rustls', which has sent an alert where one was due.
        io::ErrorKind::InvalidData => CloseReason::TlsFailed,
        _ => CloseReason::Failed,
    }
}

/// A handshake under way when the drain begins still gets this long.
const DRAIN_HANDSHAKE: Duration = Duration::from_secs(2);
