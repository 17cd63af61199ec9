//! What travels with a request.

mod clock;
mod current;
mod deadline;
mod fact;
mod first_id;
mod id;
mod route;
mod timer;
mod wire;

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use http::Request;
use tokio::time::Instant;

use self::{clock::Clock, fact::Fact, first_id::FirstId};
pub use self::{
    current::InContext,
    deadline::Lowered,
    fact::{Criticality, Outcome, Stage},
    id::{Id, InvalidRequestId},
    route::Route,
    timer::{TimerOwner, WakeAsked},
    wire::{Protocol, Wire},
};
use crate::{
    rejection::Render,
    sync::atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// What macadam's layers leave for each other in a request: one shared record, reached by cheap clones.
///
/// The first layer that has something to leave makes it ([`of`](Self::of)); a layer that only reads takes what is
/// there ([`get`](Self::get)). It costs two allocations, the record and its box in the request's extensions, and
/// one clock read.
///
/// A clone of the request carries the same context. Whoever sends several requests out of one gives each a
/// [`fork`](Self::fork), or their outcomes would overwrite each other.
pub struct RequestContext {
    shared: Arc<Shared>,
    /// Another handle, in the request that the context was made for, for the first layer that [keeps](Self::keep) one: to
    /// take that over costs nothing, where to clone one and to drop it costs two atomic operations.
    spare: Option<Arc<Shared>>,
}

struct Shared {
    peer: Option<SocketAddr>,
    wire: Wire,
    clock: Clock,
    request_id: FirstId,
    route: OnceLock<Route>,
    renderer: OnceLock<Arc<dyn Render>>,
    body_limit: AtomicU64,
    body_too_large: AtomicBool,
    criticality: Fact<Criticality>,
    stage: Fact<Stage>,
    outcome: Fact<Outcome>,
}

impl RequestContext {
    /// A context for a request that arrived at `arrival`: when its first byte was read, as far as the caller knows.
    pub fn new(arrival: Instant, peer: Option<SocketAddr>, wire: Wire) -> Self {
        Self {
            shared: Arc::new(Shared {
                peer,
                wire,
                clock: Clock::new(arrival),
                request_id: FirstId::none(),
                route: OnceLock::new(),
                renderer: OnceLock::new(),
                body_limit: AtomicU64::new(u64::MAX),
                body_too_large: AtomicBool::new(false),
                criticality: Fact::new(Criticality::Critical),
                stage: Fact::new(Stage::Received),
                outcome: Fact::new(Outcome::Pending),
            }),
            spare: None,
        }
    }

    /// The context of this request, to [`keep`](Self::keep); made now, without a peer, if no layer before has made one.
    pub fn of<B>(request: &mut Request<B>) -> Self {
        if let Some(context) = Self::get_mut(request) {
            return context.keep();
        }
        let context = Self::new(Instant::now(), None, Wire::of(request));
        request.extensions_mut().insert(context.clone());
        context
    }

    /// Makes the context of this request, without a peer, if no layer before has made one: for a layer that keeps none.
    pub fn ensure<B>(request: &mut Request<B>) {
        if Self::get(request).is_none() {
            let context = Self::new(Instant::now(), None, Wire::of(request));
            let spare = Some(Arc::clone(&context.shared));
            request.extensions_mut().insert(Self { spare, ..context });
        }
    }

    /// The context of this request, if a layer before has made one.
    pub fn get<B>(request: &Request<B>) -> Option<&Self> {
        request.extensions().get()
    }

    /// The context of this request, if a layer before has made one: for a layer that may [`keep`](Self::keep) it.
    #[inline]
    pub fn get_mut<B>(request: &mut Request<B>) -> Option<&mut Self> {
        request.extensions_mut().get_mut()
    }

    /// A handle that outlives the request: the spare one the first time, and a clone from then on.
    #[inline]
    #[must_use]
    pub fn keep(&mut self) -> Self {
        match self.spare.take() {
            Some(shared) => Self { shared, spare: None },
            None => self.clone(),
        }
    }

    /// A context of its own for one of several requests made out of this one.
    ///
    /// It starts from what is known here and shares no later change; its outcome is open again.
    pub fn fork(&self) -> Self {
        let from = &self.shared;
        let fork = Self::new(self.arrival(), from.peer, from.wire.clone());
        let to = &fork.shared;
        to.clock.copy_deadline(&from.clock);
        if let Some(id) = from.request_id.get() {
            to.request_id.set(id.as_bytes()).expect("it was an id");
        }
        if let Some(route) = from.route.get() {
            to.route.get_or_init(|| *route);
        }
        if let Some(renderer) = from.renderer.get() {
            to.renderer.get_or_init(|| Arc::clone(renderer));
        }
        to.body_limit.store(from.body_limit.load(Relaxed), Relaxed);
        to.criticality.set(from.criticality.get());
        fork
    }

    /// When the request arrived.
    #[inline]
    pub fn arrival(&self) -> Instant {
        self.shared.clock.arrival()
    }

    /// The address at the other end of the connection, where the listener knows one.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.shared.peer
    }

    /// What the request looks like on the wire.
    pub fn wire(&self) -> &Wire {
        &self.shared.wire
    }

    /// The request's id, once a layer has given it one.
    pub fn request_id(&self) -> Option<Id> {
        self.shared.request_id.get()
    }

    /// Gives the request its id. The first one stays: everything that was said of the request so far bears it.
    ///
    /// # Errors
    ///
    /// If `id` is none: an [`Id`] has 1 to 128 bytes of `[A-Za-z0-9._:@/+=-]`.
    #[inline]
    pub fn set_request_id(&self, id: impl AsRef<[u8]>) -> Result<(), InvalidRequestId> {
        self.shared.request_id.set(id.as_ref())
    }

    /// The matched route, once routing is over.
    #[inline]
    pub fn route(&self) -> Option<Route> {
        self.shared.route.get().copied()
    }

    /// Says which route was matched. The first one stays: with nested routers it is the outermost and the longest.
    pub fn set_route(&self, route: Route) {
        self.shared.route.get_or_init(|| route);
    }

    /// The form in which rejections of this request are written, where it is not the default one.
    pub fn renderer(&self) -> Option<&dyn Render> {
        self.shared.renderer.get().map(Arc::as_ref)
    }

    /// Replaces the form in which rejections of this request are written. The first one stays.
    pub fn set_renderer(&self, renderer: Arc<dyn Render>) {
        self.shared.renderer.get_or_init(|| renderer);
    }

    /// How many bytes of a request's body may be read, unless a route says otherwise. `u64::MAX` is no limit.
    ///
    /// It lives here because the limit is enforced around the router, before a route can speak, and is the route's
    /// to move.
    pub fn body_limit(&self) -> u64 {
        self.shared.body_limit.load(Relaxed)
    }

    /// Moves the limit on the request's body, in bytes.
    pub fn set_body_limit(&self, bytes: u64) {
        self.shared.body_limit.store(bytes, Relaxed);
    }

    /// Whether the request's body turned out to be larger than its limit.
    pub fn is_body_too_large(&self) -> bool {
        self.shared.body_too_large.load(Acquire)
    }

    /// Says that the request's body is larger than its limit. What the handler makes of the error that it reads then
    /// is not for the client.
    pub fn set_body_too_large(&self) {
        self.shared.body_too_large.store(true, Release);
    }

    /// How much it would hurt to shed this request.
    pub fn criticality(&self) -> Criticality {
        self.shared.criticality.get()
    }

    /// Says how much it would hurt to shed this request.
    pub fn set_criticality(&self, criticality: Criticality) {
        self.shared.criticality.set(criticality);
    }

    /// Where the request is on its way.
    pub fn stage(&self) -> Stage {
        self.shared.stage.get()
    }

    /// Says where the request is on its way.
    #[inline]
    pub fn set_stage(&self, stage: Stage) {
        self.shared.stage.set(stage);
    }

    /// How the request ended; [`Outcome::Pending`] until it has.
    #[inline]
    pub fn outcome(&self) -> Outcome {
        self.shared.outcome.get()
    }

    /// Says how the request ended, and whether this call was the first to say so. The first one stays: who refuses
    /// or cuts a request knows more than who merely sees it end.
    #[inline]
    pub fn settle(&self, outcome: Outcome) -> bool {
        self.shared.outcome.replace(Outcome::Pending, outcome)
    }
}

/// A handle as small as a pointer, for who cannot keep another.
pub(crate) struct Held {
    shared: Arc<Shared>,
}

impl Held {
    pub(crate) fn to_context(&self) -> RequestContext {
        RequestContext { shared: Arc::clone(&self.shared), spare: None }
    }
}

impl From<RequestContext> for Held {
    #[inline]
    fn from(context: RequestContext) -> Self {
        Self { shared: context.shared }
    }
}

impl Clone for RequestContext {
    #[inline]
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), spare: None }
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext")
            .field("request_id", &self.request_id())
            .field("wire", self.wire())
            .field("route", &self.route())
            .field("peer", &self.peer())
            .field("stage", &self.stage())
            .field("outcome", &self.outcome())
            .field("deadline", &self.deadline())
            .finish_non_exhaustive()
    }
}
