//! A head that comes in crumbs.

use std::task::{Context, Poll};

use tokio::time::{Duration, Instant};

use super::alarm::Alarm;
use crate::conn::{Conn, Place};

/// Reads ever more seldom from a client that takes long over a head, a few bytes at a time.
///
/// A byte that comes alone costs a thread's waking, a task's, and a parse of the head from its start: some eight
/// microseconds. Fifteen thousand clients that send one a second would have a tenth of a core until their time is over.
/// So whoever has taken a second, and sends a crumb, is not heard before it has taken five times as long. What it sent
/// meanwhile is then read at once: it waits for no longer than four times the time that it took itself, and never beyond
/// the head's limit. There it is read a last time, and answered if its head is whole.
#[derive(Default)]
pub(crate) struct Crumbs {
    /// The head that they are of, by how many requests came before it; and when the first one came.
    begun: Option<(u64, Instant)>,
    read_again_at: Option<Instant>,
    /// Made for the first pause: hardly a client ever has one.
    alarm: Option<Alarm>,
}

impl Crumbs {
    /// Ready when it is time to read.
    pub(crate) fn poll_pause(&mut self, cx: &mut Context<'_>, conn: &Conn) -> Poll<()> {
        let Some(due) = self.read_again_at.filter(|_| conn.is_deaf()) else { return Poll::Ready(()) };
        self.alarm.get_or_insert_with(|| Alarm::at(due)).poll(cx, due)
    }

    /// So many bytes have come. Returns whether there is a pause now.
    #[inline]
    pub(crate) fn see(&mut self, bytes: usize, conn: &Conn) -> bool {
        if self.read_again_at.take().is_some() {
            conn.listen();
        }
        // In an exchange they are of a body, which has clocks of its own, and in a tunnel they are nobody's business.
        if bytes < CRUMB && conn.place() != Place::Exchange && !conn.is_tunnel() {
            self.read_again_at = self.pause(conn.requests(), Instant::now());
        }
        let pauses = self.read_again_at.is_some();
        if pauses {
            conn.turn_deaf();
        }
        pauses
    }

    fn pause(&mut self, head: u64, now: Instant) -> Option<Instant> {
        let begun = match self.begun {
            Some((same, begun)) if same == head => begun,
            _ => now,
        };
        self.begun = Some((head, begun));
        let took = now - begun;
        (took >= LONG).then(|| now + 4 * took)
    }
}

/// In bytes. A piece that is as long is none.
const CRUMB: usize = 8;
/// From a head's first crumb on. Some clients write each character by itself; they are done by then.
const LONG: Duration = Duration::from_millis(900);

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds in which somebody who sends a byte in each is heard.
    #[test]
    fn who_takes_long_is_heard_at_times_that_grow_fivefold() {
        let begun = Instant::now();
        let mut crumbs = Crumbs::default();
        let mut heard = Vec::new();
        for second in 0..60 {
            let now = begun + Duration::from_secs(second);
            if crumbs.read_again_at.is_none_or(|at| now >= at) {
                heard.push(second);
                crumbs.read_again_at = crumbs.pause(0, now);
            }
        }
        assert_eq!(heard, [0, 1, 5, 25]);
    }

    #[test]
    fn who_sends_byte_by_byte_without_delay_is_heard_at_each_and_so_is_the_next_head() {
        let begun = Instant::now();
        let mut crumbs = Crumbs::default();
        for head in 0..3 {
            for byte in 0..100 {
                let now = begun + Duration::from_secs(head) + Duration::from_millis(8 * byte);
                assert_eq!(crumbs.pause(head, now), None);
            }
        }
    }
}
