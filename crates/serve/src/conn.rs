//! What the parts of a connection know of each other.
//!
//! hyper owns the socket, the service owns the requests and a task owns the clocks; none of them can ask the others.
//! So each leaves what it knows here: how many bytes were read, how many of them are requests that hyper has begun,
//! what is unanswered, what is unflushed. From these follows the one question on which everything else hangs: is this connection in an
//! exchange, in a head, or idle?

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicU8, AtomicU32, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
        },
    },
};

use atomic_waker::AtomicWaker;
use tokio::time::Instant;

use crate::{
    clocks::Clocks, error::BodyErrorKind, house::House, http1::Unread, http2::Http2, mechanism::Mechanism,
    order::Order, reason::CloseReason,
};

/// The shared state of one connection.
pub(crate) struct Conn {
    pub(crate) house: Arc<House>,
    pub(crate) clocks: Clocks,
    pub(crate) peer: SocketAddr,
    /// The task that runs the connection; after an upgrade, the one that reads from it.
    pub(crate) task: AtomicWaker,
    /// Bytes that hyper was given.
    read: AtomicU64,
    /// Where requests begin late: `read` when hyper last asked for more in vain.
    #[cfg(feature = "axum")]
    asked: AtomicU64,
    /// `read` when hyper's buffer was last known to be empty in an exchange.
    mark: AtomicU64,
    requests: AtomicU64,
    /// Requests whose response is not over.
    answering: AtomicU32,
    /// Request bodies that have neither ended nor been dropped.
    receiving: AtomicU32,
    /// HTTP/1: an answer may still lie in hyper's buffer.
    dirty: AtomicBool,
    /// HTTP/1: the last request's body has not come whole.
    body_to_come: AtomicBool,
    /// A request was answered.
    answered: AtomicBool,
    /// The bytes no longer are HTTP: 101, or CONNECT.
    tunnel: AtomicBool,
    /// Part of a TLS record has come, which may be a head.
    in_record: AtomicBool,
    /// Nothing is read from it for a while.
    deaf: AtomicBool,
    http10: AtomicBool,
    /// It has reached its greatest age, and should end with its next answer.
    old: AtomicBool,
    reason: AtomicU8,
    /// Nanoseconds after the house's epoch since when no request runs here; `NOT_WAITING` while one does.
    waiting_since: AtomicU64,
    /// Asked to make room, and has not looked yet.
    asked_to_leave: AtomicBool,
    /// Asked to make room, and has not said that it stays.
    leaving: AtomicBool,
    any_late: AtomicBool,
    /// Requests, by number, whose body did not come in time.
    late: Mutex<Vec<(u64, BodyErrorKind)>>,
    /// HTTP/1: what a handler left unread.
    pub(crate) unread: Unread,
    /// HTTP/2: what its frames tell.
    pub(crate) http2: Http2,
}

/// Where an HTTP/1 connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A request runs, or its answer is not flushed.
    Exchange,
    /// Bytes have come since the last request's end.
    Head,
    /// Nothing has.
    Idle,
}

pub(crate) const NOT_WAITING: u64 = u64::MAX;

impl Conn {
    pub(crate) fn new(house: Arc<House>, clocks: Clocks, peer: SocketAddr) -> Self {
        let since = house.nanos(Instant::now());
        Self {
            house,
            clocks,
            peer,
            task: AtomicWaker::new(),
            read: AtomicU64::new(0),
            #[cfg(feature = "axum")]
            asked: AtomicU64::new(0),
            mark: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            answering: AtomicU32::new(0),
            receiving: AtomicU32::new(0),
            dirty: AtomicBool::new(false),
            body_to_come: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            tunnel: AtomicBool::new(false),
            in_record: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            http10: AtomicBool::new(false),
            old: AtomicBool::new(false),
            reason: AtomicU8::new(CloseReason::Ended as u8),
            waiting_since: AtomicU64::new(since),
            asked_to_leave: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            any_late: AtomicBool::new(false),
            late: Mutex::new(Vec::new()),
            unread: Unread::default(),
            http2: Http2::default(),
        }
    }

    pub(crate) fn order(&self) -> Order {
        self.house.order()
    }

    /// Bytes go to hyper.
    pub(crate) fn count_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Release);
    }

    /// hyper asks for more bytes. In HTTP/1.
    ///
    /// While a request is answered it does so only when it has none left: for the rest of the body, and behind that to
    /// see whether the client goes away. So all that was read belongs to this request, and to none behind it. (Between
    /// two exchanges it asks with half a head in its buffer, too.)
    pub(crate) fn more_is_asked_for(&self) {
        if self.answering.load(Acquire) != 0 {
            self.mark.store(self.read.load(Relaxed), Release);
        }
    }

    pub(crate) fn set_in_record(&self, is: bool) {
        self.in_record.store(is, Release);
    }

    /// Its bytes are left where they are for a while.
    pub(crate) fn turn_deaf(&self) {
        self.deaf.store(true, Release);
    }

    pub(crate) fn is_deaf(&self) -> bool {
        self.deaf.load(Acquire)
    }

    /// Has it read on, and says whether it was not.
    pub(crate) fn listen(&self) -> bool {
        self.is_deaf() && self.deaf.swap(false, AcqRel)
    }

    /// A request begins; returns its number.
    pub(crate) fn begin(&self, http10: bool) -> u64 {
        self.answering.fetch_add(1, AcqRel);
        self.dirty.store(true, Release);
        self.body_to_come.store(false, Relaxed);
        if http10 {
            self.http10.store(true, Relaxed);
        }
        self.requests.fetch_add(1, AcqRel)
    }

    /// Whether nothing has been read that is of no request yet: no half of a head, and no whole one either.
    pub(crate) fn nothing_behind(&self) -> bool {
        self.read.load(Acquire) == self.mark.load(Acquire) || !self.house.has(Mechanism::Mark)
    }

    /// Whether what comes now, as the connection closes, is a request whose client cannot know that nobody answers it: no
    /// rest of a head or a body that we do not read, and no stream beyond the one that our last GOAWAY names.
    pub(crate) fn discards_requests(&self) -> bool {
        if self.http2.has_greeted() {
            return !self.http2.has_ponged();
        }
        self.nothing_behind() && !self.body_to_come.load(Relaxed)
    }

    pub(crate) fn response_over(&self) {
        self.answering.fetch_sub(1, AcqRel);
    }

    pub(crate) fn body_begins(&self) {
        self.body_to_come.store(true, Relaxed);
        self.receiving.fetch_add(1, AcqRel);
    }

    /// The last request has come whole.
    pub(crate) fn body_ended(&self) {
        self.body_to_come.store(false, Relaxed);
    }

    pub(crate) fn body_over(&self) {
        self.receiving.fetch_sub(1, AcqRel);
        // A body may outlive its response, in a task of the handler's. hyper wakes the connection as a body is read,
        // but not after it was.
        if self.answering.load(Acquire) == 0 {
            self.task.wake();
        }
    }

    /// hyper has asked for more bytes, and there were none.
    #[cfg(feature = "axum")]
    pub(crate) fn nothing_has_come(&self) {
        self.asked.store(self.read.load(Relaxed), Relaxed);
    }

    /// A request begins, which hyper has parsed some time ago. With nothing left in its buffer it has
    /// [asked](Self::more_is_asked_for) since.
    #[cfg(feature = "axum")]
    pub(crate) fn begins_late(&self) {
        if self.asked.load(Relaxed) == self.read.load(Relaxed) {
            self.more_is_asked_for();
        }
    }

    /// Counts a request that there is not, while nobody would tell of those that there are.
    #[cfg(feature = "axum")]
    pub(crate) fn unlink(&self) {
        self.answering.fetch_add(1, AcqRel);
    }

    #[cfg(feature = "axum")]
    pub(crate) fn link(&self) {
        self.response_over();
    }

    /// Whether axum's own shutdown would harm it, and need not: not where nobody will ever know when it would not.
    #[cfg(feature = "axum")]
    pub(crate) fn holds_up_axum(&self) -> bool {
        let is_linked = self.requests() != 0 || self.answering() == 0;
        is_linked && !self.http2.is_spoken()
    }

    /// Whether a request runs.
    pub(crate) fn is_busy(&self) -> bool {
        self.answering.load(Acquire) != 0 || self.receiving.load(Acquire) != 0
    }

    pub(crate) fn answering(&self) -> u32 {
        self.answering.load(Acquire)
    }

    /// Requests that would be cut short: those whose response is not over, and in HTTP/1 one that was handed to hyper whole
    /// and that the client has not taken.
    pub(crate) fn unanswered(&self) -> u32 {
        let unflushed = self.dirty.load(Acquire) && !self.http2.has_greeted() && !self.is_tunnel();
        self.answering().max(u32::from(unflushed))
    }

    pub(crate) fn place(&self) -> Place {
        if self.is_busy() || (self.dirty.load(Acquire) && self.house.has(Mechanism::Flush)) {
            Place::Exchange
        } else if self.nothing_behind() && !self.in_record.load(Acquire) {
            Place::Idle
        } else {
            Place::Head
        }
    }

    /// hyper's buffer is empty; whether that ended the exchange.
    pub(crate) fn flushed(&self) -> bool {
        // Looked at first: an answer's end is not its flush if it comes in between.
        !self.is_busy() && self.dirty.load(Relaxed) && self.dirty.swap(false, AcqRel)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Acquire)
    }

    pub(crate) fn set_answered(&self) {
        self.answered.store(true, SeqCst);
    }

    pub(crate) fn has_answered(&self) -> bool {
        self.answered.load(SeqCst)
    }

    /// It stops to be HTTP. Nobody will look at what it is asked from here on, so it is asked nothing.
    pub(crate) fn set_tunnel(&self) {
        self.tunnel.store(true, Release);
        self.wait_no_more();
        self.house.stays(self);
    }

    pub(crate) fn is_tunnel(&self) -> bool {
        self.tunnel.load(Acquire)
    }

    pub(crate) fn set_old(&self) {
        self.old.store(true, Relaxed);
    }

    /// Whether clients should be asked to leave with an answer.
    pub(crate) fn is_leaving_soon(&self) -> bool {
        self.order() >= Order::LameDuck || self.old.load(Relaxed)
    }

    /// Whether the socket has to be closed by a reset: because a cut answer could look whole otherwise, as HTTP/1.0 ends
    /// one by closing; or because the system would wait for a peer that takes nothing, with all that it has not taken.
    pub(crate) fn is_to_be_reset(&self) -> bool {
        let would_look_whole = self.http10.load(Relaxed) && self.place() == Place::Exchange;
        (would_look_whole && !self.is_tunnel()) || self.reason() == CloseReason::SlowReader
    }

    /// Says why the connection ends. The first one to say so knows best.
    pub(crate) fn close_for(&self, reason: CloseReason) {
        let _ = self.reason.compare_exchange(CloseReason::Ended as u8, reason as u8, AcqRel, Relaxed);
    }

    pub(crate) fn reason(&self) -> CloseReason {
        CloseReason::ALL[usize::from(self.reason.load(Acquire))]
    }

    /// No request runs here since `at`.
    pub(crate) fn wait_from(&self, at: Instant) {
        self.waiting_since.store(self.house.nanos(at), Release);
        self.house.somebody_waits();
    }

    pub(crate) fn wait_no_more(&self) {
        self.waiting_since.store(NOT_WAITING, Release);
    }

    pub(crate) fn waiting_since(&self) -> u64 {
        self.waiting_since.load(Acquire)
    }

    /// Asks the connection to make room.
    pub(crate) fn ask_to_leave(&self) {
        self.leaving.store(true, Release);
        self.asked_to_leave.store(true, Release);
        self.task.wake();
    }

    /// Whether it was asked to; true once.
    pub(crate) fn is_asked_to_leave(&self) -> bool {
        self.asked_to_leave.load(Acquire) && self.asked_to_leave.swap(false, AcqRel)
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Acquire)
    }

    /// Forgets that it was asked to leave, and says whether it was.
    pub(crate) fn stop_leaving(&self) -> bool {
        self.asked_to_leave.store(false, Release);
        self.leaving.swap(false, AcqRel)
    }

    /// The body of request `number` did not come in time, and how.
    pub(crate) fn set_late(&self, number: u64, how: BodyErrorKind) {
        self.late.lock().unwrap_or_else(PoisonError::into_inner).push((number, how));
        self.any_late.store(true, Release);
    }

    pub(crate) fn late(&self, number: u64) -> Option<BodyErrorKind> {
        if !self.any_late.load(Acquire) {
            return None;
        }
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.iter().find_map(|(whose, how)| (*whose == number).then_some(*how))
    }

    pub(crate) fn forget_late(&self, number: u64) {
        if self.any_late.load(Acquire) {
            self.late.lock().unwrap_or_else(PoisonError::into_inner).retain(|(whose, _)| *whose != number);
        }
    }
}
