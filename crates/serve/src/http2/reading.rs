//! Whether an HTTP/2 peer reads.

use std::{
    mem,
    task::{Context, Poll, ready},
};

use crate::{
    clocks::{Look, Patience},
    conn::Conn,
};

/// Whether the peer lets us send what there is for it. One that opens no window is never asked by h2 to take anything,
/// so nothing waits for the socket; what waits are its streams.
pub(crate) struct Reading {
    patience: Patience,
    sent: u64,
    waited: bool,
}

impl Reading {
    pub(crate) fn new(conn: &Conn) -> Self {
        Self { patience: Patience::with_a_reader(&conn.clocks), sent: 0, waited: false }
    }

    /// Looks every few seconds, whatever happens in between: nobody wakes this task when a stream begins to wait. The
    /// time between two looks counts if streams waited at both.
    pub(crate) fn poll_too_slow(&mut self, cx: &mut Context<'_>, conn: &Conn, is_busy: bool) -> Poll<()> {
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
