//! A head that comes in crumbs.

use std::task::{Context, Poll};

use tokio::time::{Duration, Instant};

use crate::{
    alarm::Alarm,
    conn::{Conn, Place},
};

/// Reads seldom from a client that sends a head a few bytes at a time.
///
/// Each time that a socket is read, its task is woken and hyper parses the head from its start, some eight microseconds in
/// all. Ten thousand clients that send a byte a second, and are gone when their head's time is over, would cost a tenth of a
/// core until then. Nobody else sends so: the pieces of a large head are as large as a packet, and those of one that is
/// typed are lines.
#[derive(Default)]
pub(crate) struct Crumbs {
    /// How many have come, one after the other.
    count: u8,
    /// The head that they are of, by how many requests came before it.
    head: u64,
    read_again_at: Option<Instant>,
    /// Made for the first pause: hardly a client ever has one.
    alarm: Option<Alarm>,
}

impl Crumbs {
    /// Ready when it is time to read.
    pub(crate) fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.read_again_at else { return Poll::Ready(()) };
        self.alarm.get_or_insert_with(|| Alarm::at(due)).poll(cx, due)
    }

    /// So many bytes have come.
    #[inline]
    pub(crate) fn see(&mut self, bytes: usize, conn: &Conn) {
        // In an exchange they are of a body, which has clocks of its own, and in a tunnel they are nobody's business.
        if bytes >= CRUMB || conn.place() == Place::Exchange || conn.is_tunnel() {
            (self.count, self.read_again_at) = (0, None);
            return;
        }
        let head = conn.requests();
        self.count = if self.head == head { self.count.saturating_add(1) } else { 1 };
        self.head = head;
        self.read_again_at = if self.count < MANY { None } else { Some(Instant::now() + PAUSE) };
    }
}

/// In bytes. What is as long is none.
const CRUMB: usize = 8;
/// So many, one after the other, are a way to send.
const MANY: u8 = 4;
/// What has come meanwhile is read at once.
const PAUSE: Duration = Duration::from_secs(5);
