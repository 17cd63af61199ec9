//! The admin listener before it runs.

use std::{
    fmt,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use macadam_core::{Gauges, InFlight, PhaseWatch};
use macadam_health::Health;
use tokio::time::Instant;
use tower_layer::Layer;

use crate::{error::AdminError, handle::AdminHandle, routes::Routes, status::Sources};

/// An admin listener that is bound, and does not answer yet.
#[must_use = "it answers when it is spawned"]
pub struct Admin {
    listener: TcpListener,
    local_addr: SocketAddr,
    sources: Sources,
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
        let sources = Sources {
            since: Instant::now(),
            service: None,
            version: None,
            health,
            phase: None,
            in_flight: None,
            gauges: Vec::new(),
        };
        Ok(Self { listener, local_addr, sources })
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
    /// dropped.
    pub fn phase(mut self, phase: PhaseWatch) -> Self {
        self.sources.phase = Some(phase);
        self
    }

    /// The table whose slowest requests the status lists.
    pub fn in_flight(mut self, table: InFlight) -> Self {
        self.sources.in_flight = Some(table);
        self
    }

    /// Figures for the status, after those of the health and of earlier calls. They are read on the admin thread,
    /// where a probe waits for whatever blocks.
    pub fn gauges(mut self, gauges: Arc<dyn Gauges>) -> Self {
        self.sources.gauges.push(gauges);
        self
    }

    /// The address that it is bound to, with the port that the system chose where that was 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Starts to answer, on a thread and a runtime of its own, until the handle is dropped.
    ///
    /// # Errors
    ///
    /// When the thread or its runtime cannot be made.
    pub fn spawn(self) -> Result<AdminHandle, AdminError> {
        let probes = self.sources.health.layer().details(true);
        let service = probes.layer(Routes::new(self.sources));
        AdminHandle::spawn(self.listener, self.local_addr, service)
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
