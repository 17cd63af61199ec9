//! What an HTTP/2 connection is told, and when.
//!
//! To leave it needs both sides. We say GOAWAY, of no stream in particular, with a PING behind it; the peer goes on as
//! before until it has read both. Its acknowledgement proves that it has: what it opened until then is served, and h2 says
//! its last GOAWAY, which names the last stream. Then the streams end, and the connection.
//!
//! - A peer that reads GOAWAY before its first request fails that unsent. So a connection is told when it has answered a
//!   stream; in the drain when it has opened one, or has had a second for that.
//! - h2 has no clock on the acknowledgement. A peer that does not acknowledge is served for as long as it runs streams, and
//!   hung up on a second after the last one: an end of file, behind which linger reads on.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::time::{Duration, Instant};

use super::reading::Reading;
use crate::{
    clocks::{Age, Alarm, Stage, Waiting},
    conn::Conn,
    mechanism::Mechanism,
    order::Order,
    reason::CloseReason,
};

/// When a connection is to end, and how far it has come.
pub(crate) struct Farewell {
    conn: Arc<Conn>,
    alarm: Alarm,
    age: Age,
    waiting: Waiting,
    reading: Reading,
    head: HeadClock,
    /// Why the peer was told to leave, once it was.
    told: Option<CloseReason>,
    /// Told, and without a stream: since when no DATA has gone out, and how much had until then.
    quiet: Option<(Instant, u64)>,
    hung_up: Option<Instant>,
}

/// What is next to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// That the peer should leave.
    GoAway,
    /// Nothing more, as soon as hyper has written what it has.
    HangUp(CloseReason),
    /// GOAWAY, as far as that is possible, and nothing more.
    Parting(CloseReason),
    /// Nothing.
    Silence(CloseReason),
}

impl Farewell {
    pub(crate) fn new(conn: &Arc<Conn>, alarm: Alarm, age: Age, waiting: Waiting) -> Self {
        Self {
            conn: Arc::clone(conn),
            alarm,
            age,
            waiting,
            reading: Reading::new(conn),
            head: HeadClock::since(Instant::now()),
            told: None,
            quiet: None,
            hung_up: None,
        }
    }

    /// The connection has ended as it should.
    pub(crate) fn taken(&self) {
        self.told.into_iter().for_each(|reason| self.conn.close_for(reason));
    }

    /// Ready when there is something to say.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Word> {
        if let Some(since) = self.hung_up {
            return self.alarm.poll(cx, since + LONGEST_CLOSE).map(|()| Word::Silence(CloseReason::NoPong));
        }
        let age = self.age.poll(cx);
        if age == Stage::Over {
            return Poll::Ready(Word::Silence(CloseReason::MaxAge));
        }
        if let (None, Some(why)) = (self.told, self.why_leave(age)) {
            return self.tell(why);
        }
        let conn = &self.conn;
        let is_busy = conn.is_busy() || conn.is_tunnel();
        // Told to leave and without a stream, it is there for nothing but to read what h2 still has for it.
        if (is_busy || self.told.is_some()) && self.reading.poll_too_slow(cx, conn, is_busy).is_ready() {
            return Poll::Ready(Word::Silence(CloseReason::SlowReader));
        }
        if is_busy {
            self.quiet = None;
            self.waiting.over(conn);
            return Poll::Pending;
        }
        let since = self.waiting.idle(conn);
        if conn.is_asked_to_leave() {
            return Poll::Ready(Word::Parting(CloseReason::MadeRoom));
        }
        if let Some(due) = self.head.due(conn) {
            return self.alarm.poll(cx, due).map(|()| Word::Parting(CloseReason::Header));
        }
        let Some(why) = self.told else {
            // In the drain only a connection without a first stream comes here untold.
            let drains = conn.order() >= Order::Drain;
            let why = if drains { CloseReason::Retired } else { CloseReason::KeepAliveIdle };
            ready!(self.alarm.poll(cx, conn.clocks.stream_due(&conn.house, since)));
            return self.tell(why);
        };
        if conn.http2.has_ponged() || !conn.house.has(Mechanism::HangUp) {
            return Poll::Pending;
        }
        let sent = conn.http2.data_sent();
        let (since, _) = match self.quiet {
            Some(quiet) if quiet.1 == sent => quiet,
            _ => *self.quiet.insert((Instant::now(), sent)),
        };
        ready!(self.alarm.poll(cx, since + NO_PONG));
        self.hung_up = Some(Instant::now());
        let why = if why == CloseReason::Retired { CloseReason::NoPong } else { why };
        Poll::Ready(Word::HangUp(why))
    }

    fn tell(&mut self, why: CloseReason) -> Poll<Word> {
        self.told = Some(why);
        Poll::Ready(Word::GoAway)
    }

    /// Why the peer should leave now, if it should.
    fn why_leave(&self, age: Stage) -> Option<CloseReason> {
        let conn = &self.conn;
        let house = &conn.house;
        let is_ordered = match conn.order() {
            Order::Serve => false,
            Order::LameDuck => {
                (conn.has_answered() || !house.has(Mechanism::FirstAnswer))
                    && house.has(Mechanism::EarlyGoAway)
            }
            Order::Drain | Order::Cut => conn.requests() > 0 || !house.has(Mechanism::FirstStream),
        };
        if is_ordered {
            return Some(CloseReason::Retired);
        }
        (age >= Stage::Old).then_some(CloseReason::MaxAge)
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

    /// When it has to be whole, if one is under way.
    fn due(&mut self, conn: &Conn) -> Option<Instant> {
        if !conn.http2.has_greeted() {
            return Some(conn.clocks.handshake_due(&conn.house, self.since));
        }
        let block = conn.http2.block()?;
        if block != self.block {
            *self = Self { since: Instant::now(), block };
        }
        Some(conn.clocks.header_due(&conn.house, self.since))
    }
}

/// Told to leave, a peer that runs nothing and has not acknowledged is hung up on when no DATA went out for this long.
const NO_PONG: Duration = Duration::from_secs(1);
/// What is there for it must be written by then, and the linger over.
const LONGEST_CLOSE: Duration = Duration::from_secs(2);
