//! The clocks of a connection: how long each of its waits may last.

mod age;
mod alarm;
mod crumbs;
mod patience;

use macadam_core::body::MinRate;
use tokio::time::{Duration, Instant};

pub(crate) use self::{
    age::{Age, Stage},
    alarm::Alarm,
    crumbs::Crumbs,
    patience::{Look, Patience, UNSENT},
};
use crate::{conn::Conn, house::House, mechanism::Mechanism, order::Order};

/// How long each wait may last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    pub(crate) first_byte: Duration,
    pub(crate) header: Duration,
    pub(crate) keep_alive_idle: Duration,
    pub(crate) request_body_idle: Duration,
    pub(crate) min_rate: MinRate,
    pub(crate) max_age: Option<MaxAge>,
}

/// How old a connection may become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MaxAge {
    pub(crate) age: Duration,
    /// What its last requests get from then on.
    pub(crate) grace: Duration,
}

impl Default for Clocks {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(10),
            header: Duration::from_secs(20),
            keep_alive_idle: Duration::from_secs(75),
            request_body_idle: Duration::from_secs(30),
            min_rate: MinRate::new(240, Duration::from_secs(5)),
            max_age: None,
        }
    }
}

impl Clocks {
    /// When the first byte of a connection is due on which the client may speak since `since`.
    pub(crate) fn first_byte_due(&self, house: &House, since: Instant) -> Instant {
        sooner_in_a_drain(house, since, self.first_byte, DRAIN_FIRST_BYTE)
    }

    /// When an HTTP/2 peer is due to have said who it is, having begun that at `begun`.
    pub(crate) fn handshake_due(&self, house: &House, begun: Instant) -> Instant {
        sooner_in_a_drain(house, begun, self.header, DRAIN_FIRST_BYTE)
    }

    /// When the first stream of a connection is due that runs none since `since`, or the next one.
    pub(crate) fn stream_due(&self, house: &House, since: Instant) -> Instant {
        sooner_in_a_drain(house, since, self.keep_alive_idle, DRAIN_FIRST_BYTE)
    }

    /// When an HTTP/1 connection without a request since `since` ends for that: not in the lame duck, in which its client is
    /// asked to leave by an answer, or in the drain after it.
    pub(crate) fn idle_due(&self, house: &House, since: Instant) -> Instant {
        let longest = if house.order() == Order::LameDuck { NO_LIMIT } else { self.keep_alive_idle };
        since + longest
    }

    /// When a head is due whose first byte came at `begun`.
    pub(crate) fn header_due(&self, house: &House, begun: Instant) -> Instant {
        sooner_in_a_drain(house, begun, self.header, DRAIN_HEADER)
    }
}

/// When something is due that began at `since` and may take `usual`, or `in_drain` once the server drains.
pub(crate) fn sooner_in_a_drain(
    house: &House,
    since: Instant,
    usual: Duration,
    in_drain: Duration,
) -> Instant {
    let due = since + usual;
    if house.order() < Order::Drain || !house.has(Mechanism::Hurry) {
        return due;
    }
    let in_drain = if house.has(Mechanism::Patience) { in_drain } else { Duration::ZERO };
    // Who began before the drain did not know of it, and gets the whole of the shorter time.
    due.min(since.max(house.drain_since()) + in_drain)
}

/// Since when a connection waits, as its task has seen it.
pub(crate) struct Waiting {
    since: Option<Instant>,
    /// How many requests there had been. Another number is another wait, though nobody saw the exchange between.
    requests: u64,
    /// When the first byte of the head under way was seen.
    head_begun: Option<Instant>,
}

impl Waiting {
    /// Since `accepted`, with the first byte of the first head seen at `head_begun`.
    pub(crate) fn since(accepted: Instant, head_begun: Instant) -> Self {
        Self { since: Some(accepted), requests: 0, head_begun: Some(head_begun) }
    }

    /// The connection is in an exchange.
    pub(crate) fn over(&mut self, conn: &Conn) {
        if self.since.take().is_some() {
            conn.wait_no_more();
        }
        if conn.is_asked_to_leave() {
            conn.house.stays(conn);
        }
    }

    /// The connection waits, and no head is under way; returns since when.
    pub(crate) fn idle(&mut self, conn: &Conn) -> Instant {
        // What looked like the beginning of one may have been TLS' own business.
        self.head_begun = None;
        self.waits(conn)
    }

    /// One clock read an exchange.
    fn waits(&mut self, conn: &Conn) -> Instant {
        let requests = conn.requests();
        if requests != self.requests {
            self.since = None;
            self.requests = requests;
            self.head_begun = None;
        }
        *self.since.get_or_insert_with(|| {
            let now = Instant::now();
            conn.wait_from(now);
            now
        })
    }

    /// The connection waits for the rest of a head; returns when that began.
    pub(crate) fn head(&mut self, conn: &Conn) -> Instant {
        self.waits(conn);
        *self.head_begun.get_or_insert_with(Instant::now)
    }
}

/// A year: more than any clock needs, and less than an instant can hold.
pub(crate) const NO_LIMIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// A connection accepted just before the drain still gets this long for its first byte; in HTTP/2 for its handshake, and
/// then for its first stream.
const DRAIN_FIRST_BYTE: Duration = Duration::from_secs(1);
/// A body that a handler waits for in a drain may say nothing for this long.
pub(crate) const DRAIN_BODY_IDLE: Duration = Duration::from_secs(5);
/// A head under way when the drain begins still gets this long.
const DRAIN_HEADER: Duration = Duration::from_secs(5);
