//! A slot that is held, and a place in the queue for one.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, StatusCode, Version, response};
use macadam_core::{End, Guard, Protocol, RequestContext, Streaming, Wire};

use crate::{
    bodies::{Course, Kind, Place},
    errand,
    gate::{Entry, Gate, Use},
    queue::Claim,
    reason::Reason,
};

/// Holds a request's slot until its response is over, or goes on without doing work.
///
/// An event stream exchanges it with its head for one of the streams' own, if there is one left; other responses may,
/// later. The permit of a request that takes no slot holds nothing. Dropped, it gives back what it holds.
#[must_use = "what it holds is given back when it is dropped"]
pub struct Permit {
    held: Held,
    use_: Use,
    /// What its body is, if it goes on.
    kind: Kind,
    /// Whether its body is watched once something is handed on. In HTTP/1 the head is not that: a connection has room
    /// for what comes first.
    watched_next: bool,
}

enum Held {
    Slot {
        gate: Arc<Gate>,
        tenant: Option<u64>,
    },
    /// A slot or, if the gate says so, a stream's.
    Body {
        gate: Arc<Gate>,
        place: Place,
    },
    Stream(Arc<Gate>),
    Exempt(Arc<Gate>),
    Nothing,
}

/// A place in the queue; ready when it has become a slot, or is no more.
///
/// # Cancel safety
///
/// Dropped, it leaves the queue at once; a slot that it had been handed already goes to the next one.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Ticket {
    gate: Arc<Gate>,
    claim: Claim,
    /// `None` once the slot was taken.
    key: Option<usize>,
}

/// What the gate said, with what has to be given back.
pub(crate) enum Admission {
    Admitted(Permit),
    Waiting(Ticket),
    Refused(Reason),
}

impl Admission {
    /// Asks `gate` for a slot, or for a place in a queue of at most `capacity`.
    #[inline]
    pub(crate) fn ask(gate: &Arc<Gate>, claim: Claim, capacity: u16) -> Self {
        match gate.enter(claim, capacity) {
            Entry::Admitted => Self::Admitted(Permit::of(gate, claim)),
            Entry::Waiting(key) => Self::Waiting(Ticket { gate: Arc::clone(gate), claim, key: Some(key) }),
            Entry::Refused(reason) => Self::Refused(reason),
        }
    }
}

impl Permit {
    /// Holds a slot that `gate` has given.
    #[inline]
    pub(crate) fn of(gate: &Arc<Gate>, claim: Claim) -> Self {
        // Dropped before there was an answer, it was given up, by its client or by a clock.
        Self::holding(Held::Slot { gate: Arc::clone(gate), tenant: claim.tenant }, Use::Bad)
    }

    fn holding(held: Held, use_: Use) -> Self {
        Self { held, use_, kind: Kind::Work(0), watched_next: false }
    }

    /// Says how the response of `request` will go over the wire.
    pub(crate) fn on<B>(&mut self, request: &Request<B>) {
        if request.version() >= Version::HTTP_2 {
            self.watched_next = true;
            let protocol = RequestContext::get(request)
                .map_or_else(|| Wire::of(request).protocol(), |context| context.wire().protocol());
            if protocol == Protocol::Grpc {
                self.kind = Kind::Grpc(0);
            }
        }
    }

    /// Passes the gate without a slot, if not too many do at the same time.
    pub(crate) fn exempt(gate: &Arc<Gate>) -> Option<Self> {
        let passed = gate.exempt.enter(MAX_EXEMPT);
        passed.then(|| Self::holding(Held::Exempt(Arc::clone(gate)), Use::Unknown))
    }

    /// Holds one of the streams' places, if there is one left.
    pub(crate) fn streaming(gate: &Arc<Gate>) -> Option<Self> {
        let entered = gate.streams.enter(gate.max_streams());
        entered.then(|| Self::holding(Held::Stream(Arc::clone(gate)), Use::Unknown))
    }

    /// Holds nothing.
    pub(crate) fn nothing() -> Self {
        Self::holding(Held::Nothing, Use::Unknown)
    }

    /// Ends it as if it had never been.
    pub(crate) fn give_back_unused(mut self) {
        self.use_ = Use::Unknown;
    }

    fn release(&mut self) {
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Slot { gate, tenant } => gate.release(tenant, self.use_),
            Held::Body { gate, place } => match place.leave() {
                course if course.moved => gate.streams.leave(),
                course => gate.release(course.tenant, self.use_),
            },
            Held::Stream(gate) => gate.streams.leave(),
            Held::Exempt(gate) => gate.exempt.leave(),
            Held::Nothing => {}
        }
    }

    /// Exchanges the slot, if it has one, for a stream's, if there is one left; says whether there was.
    pub(crate) fn stream(&mut self) -> bool {
        let Held::Slot { gate, .. } = &self.held else { return true };
        let Some(mut streaming) = Self::streaming(gate) else { return false };
        self.release();
        std::mem::swap(&mut self.held, &mut streaming.held);
        true
    }

    /// The same for a request that waits for its own body, and so says nothing of what there is too much of, whatever
    /// becomes of it.
    pub(crate) fn upload(&mut self) -> bool {
        self.use_ = Use::Unknown;
        self.stream()
    }

    /// Has the body looked at from now on, if it has a slot.
    fn watch(&mut self) {
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Slot { gate, tenant } => {
                let Self { use_, kind, .. } = *self;
                let place = gate.bodies.enter(Course { tenant, use_, kind, waits: true, moved: false });
                errand::see_to(&gate);
                self.held = Held::Body { gate, place };
            }
            held => self.held = held,
        }
    }
}

impl Guard for Permit {
    fn head(&mut self, head: &mut response::Parts) {
        self.use_ = use_of(head.status);
        if Streaming::of(&head.headers) == Some(Streaming::Events) && !self.stream() {
            // It keeps its slot until there is room.
            self.kind = Kind::Stream;
            self.watched_next = true;
        }
    }

    #[inline]
    fn handed_on(&mut self) {
        match &self.held {
            Held::Body { place, .. } => place.waits(true),
            Held::Slot { .. } if self.watched_next => self.watch(),
            _ => {}
        }
    }

    #[inline]
    fn asked(&mut self) {
        if let Held::Body { place, .. } = &self.held {
            place.waits(false);
        }
        self.watched_next = true;
    }

    fn end(mut self, end: End) {
        if matches!(end, End::Failed | End::Panicked) {
            self.use_ = Use::Unknown;
        }
        self.release();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.release();
    }
}

impl Future for Ticket {
    type Output = Result<Permit, Reason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let key = self.key.expect("a ticket is not polled after it was ready");
        self.gate.poll(key, cx.waker()).map(|settled| {
            self.key = None;
            settled.map(|()| Permit::of(&self.gate, self.claim))
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.gate.leave(key, self.claim);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holds = match self.held {
            Held::Slot { .. } => "a slot",
            Held::Body { .. } => "a slot or a stream's",
            Held::Stream(_) => "a stream's slot",
            Held::Exempt(_) => "an exemption",
            Held::Nothing => "nothing",
        };
        f.debug_struct("Permit").field("holds", &holds).finish()
    }
}

/// What says *too much* of somebody further down: busy, out of reach, out of time. A service's own failure says
/// nothing of load, and is of no use to anybody either.
fn use_of(status: StatusCode) -> Use {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Use::Bad
        }
        status if status.is_server_error() => Use::Unknown,
        _ => Use::Good,
    }
}

/// How many pass without a slot at the same time; more of them wait for one like anybody else. Probes are a handful,
/// and what a client may claim by itself must not be a way around the gate.
const MAX_EXEMPT: u32 = 64;
