//! The admin listener before it runs.

use std::{
    fmt,
    future::pending,
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use macadam_core::{Gauges, InFlight, Outcomes, PhaseWatch};
use macadam_health::{Health, RuntimeWatch};
use macadam_serve::HandedOver;
use tokio::time::Instant;
use tower_layer::Layer;

use crate::{
    agent::Agent, error::AdminError, handle::AdminHandle, place::Place, reader::Reader, routes::Routes,
    scrape::Scrape, sources::Sources,
};

/// An admin listener that does not answer yet.
#[must_use = "it answers when it is spawned"]
pub struct Admin {
    place: Place,
    local_addr: SocketAddr,
    handed_over: Option<HandedOver>,
    runtime: Option<RuntimeWatch>,
    agent: Option<Agent>,
    sources: Sources,
    scrape: Option<Scrape>,
}

impl Admin {
    /// Binds `address`, to answer the probes of `health` there. Port 0 takes any free port.
    ///
    /// Bind as early as the service's own listener: a port in use is then found before anything has started.
    ///
    /// # Errors
    ///
    /// When the address cannot be had, with the reason and the cure.
    pub fn bind(address: SocketAddr, health: Health) -> Result<Self, AdminError> {
        let listener = TcpListener::bind(address).map_err(|source| AdminError::Bind { address, source })?;
        Self::on(listener, health)
    }

    /// As [`bind`](Self::bind), on a listener that is bound already: systemd's, or a predecessor's.
    ///
    /// # Errors
    ///
    /// When it is not a listening socket.
    pub fn on(listener: TcpListener, health: Health) -> Result<Self, AdminError> {
        let local_addr = listener
            .set_nonblocking(true)
            .and_then(|()| listener.local_addr())
            .map_err(|source| AdminError::Listener { source })?;
        Ok(Self::at(Place::Bound(listener), local_addr, health))
    }

    /// As [`bind`](Self::bind), at an address that another process has for now: this one answers there once it is free.
    ///
    /// Until then it tries again four times a second; the log says when it has it. That it waits, its caller says, who knows
    /// where the address comes from.
    pub fn when_free(address: SocketAddr, health: Health) -> Self {
        Self::at(Place::Taken(address), address, health)
    }

    fn at(place: Place, local_addr: SocketAddr, health: Health) -> Self {
        let sources = Sources {
            since: Instant::now(),
            service: None,
            version: None,
            health,
            phase: None,
            in_flight: None,
            outcomes: None,
            gauges: Vec::new(),
        };
        Self { place, local_addr, handed_over: None, runtime: None, agent: None, sources, scrape: None }
    }

    /// Leaves the address to a successor when this happens: what it is answering it answers, and then it ends.
    pub fn handed_over(mut self, handed_over: HandedOver) -> Self {
        self.handed_over = Some(handed_over);
        self
    }

    /// The service's runtime, which the admin thread [watches](Health::watch) from its start: probes on this listener then
    /// tell where it stands still, which they could not know otherwise.
    pub fn runtime(mut self, runtime: RuntimeWatch) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Answers HAProxy's `agent-check` at `address` too, by [`Health::agent_line`]. As long as another process has that
    /// address, it is waited for: an instance before this one keeps it to its end.
    ///
    /// # Errors
    ///
    /// When the address cannot be had for another reason, with that and the cure.
    pub fn agent_check(mut self, address: SocketAddr) -> Result<Self, AdminError> {
        let place = match TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        }) {
            Ok(listener) => Place::Bound(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse => Place::Taken(address),
            Err(source) => return Err(AdminError::Bind { address, source }),
        };
        self.agent = Some(Agent { place, health: self.sources.health.clone() });
        Ok(self)
    }

    /// The service's name, as the status tells it.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.sources.service = Some(name.into());
        self
    }

    /// The service's version, as the status tells it.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.sources.version = Some(version.into());
        self
    }

    /// The phase that the status tells. The admin listener does not follow it: it answers until its handle is
    /// dropped, or its address [handed over](Self::handed_over).
    pub fn phase(mut self, phase: PhaseWatch) -> Self {
        self.sources.phase = Some(phase);
        self
    }

    /// The table whose slowest requests the status lists.
    pub fn in_flight(mut self, table: InFlight) -> Self {
        self.sources.in_flight = Some(table);
        self
    }

    /// What became of the requests that are over: their rates, how long they took, and the last that were slow or failed.
    pub fn outcomes(mut self, outcomes: Outcomes) -> Self {
        self.sources.outcomes = Some(outcomes);
        self
    }

    /// Figures for the status, after those of the health and of earlier calls. They are read on a thread of their own: once
    /// a second, and besides when somebody asks, but never more than ten times a second.
    pub fn gauges(mut self, gauges: Arc<dyn Gauges>) -> Self {
        self.sources.gauges.push(gauges);
        self
    }

    /// What `/metrics` answers: a media type and a text of it, written anew for each scrape by what its `Accept` says, on a
    /// thread where that may take its time. One scrape is answered at a time, and one that takes longer than 5 s with 503.
    /// Without this there is no `/metrics`.
    pub fn metrics(
        mut self,
        write: impl Fn(Option<&str>) -> (&'static str, String) + Send + Sync + 'static,
    ) -> Self {
        self.scrape = Some(Scrape::new(Arc::new(write)));
        self
    }

    /// The address that it answers on, with the port that the system chose where that was 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Whether it has its address, and does not [wait](Self::when_free) for it.
    pub fn is_bound(&self) -> bool {
        matches!(self.place, Place::Bound(_))
    }

    /// Starts to answer, on a thread and a runtime of its own, until the handle is dropped.
    ///
    /// # Errors
    ///
    /// When the thread or its runtime cannot be made.
    pub fn spawn(self) -> Result<AdminHandle, AdminError> {
        let health = self.sources.health.clone();
        let probes = health.layer().details(true);
        let Sources { service, version, .. } = &self.sources;
        let (service, version) = (service.clone(), version.clone());
        let reader = Reader::spawn(self.sources).map_err(|source| AdminError::Thread { source })?;
        let service = probes.layer(Routes::new(service.as_deref(), version.as_deref(), reader, self.scrape));
        let watching = async move {
            match self.runtime {
                Some(runtime) => health.watch(runtime).await,
                None => pending().await,
            }
        };
        AdminHandle::spawn(self.place, self.local_addr, self.handed_over, self.agent, service, watching)
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("local_addr", &self.local_addr)
            .field("service", &self.sources.service)
            .field("health", &self.sources.health)
            .finish_non_exhaustive()
    }
}
