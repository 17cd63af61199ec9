//! A service's life: from its settings to its report.

use std::{
    error::Error as StdError,
    fmt,
    future::pending,
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use macadam_admin::Admin;
use macadam_core::{Gauges, Phase, Render, body::MinRate};
use macadam_graceful_shutdown::{Draining, Report, Shutdown, ShutdownHandle};
use macadam_health::{Health, RuntimeWatch};
use macadam_load_shed::LoadShedHandle;
use macadam_serve::{Listener, Server};
use macadam_telemetry::{BuildInfo, Exposition, Format, Process, Resource, TelemetryHandle};

use crate::{
    builder::RoadBuilder,
    error::Error,
    export::Export,
    logs,
    loopback::Loopback,
    make::MakeRoadService,
    place::{self, Place},
    service::RoadService,
    settings::{Inherit, Settings},
    stack::Layers,
    tls::Encryption,
};

type BoxError = Box<dyn StdError + Send + Sync>;

/// The road for one service: its layers, its probes, its shutdown.
///
/// [`serve`](Self::serve) is all that most services call. [`make`](Self::make) with [`run`](Self::run) puts the road
/// on stock `axum::serve`; [`wrap`](Self::wrap) gives a plain Tower service, for tests and servers of one's own.
#[must_use = "a road carries nothing until it is run"]
pub struct Road {
    pub(crate) settings: Settings,
    pub(crate) encryption: Encryption,
    pub(crate) version: Option<String>,
    pub(crate) build: BuildInfo,
    pub(crate) service: Resource,
    pub(crate) layers: Layers,
    pub(crate) renderer: Option<Arc<dyn Render>>,
    pub(crate) health: Health,
    pub(crate) telemetry: TelemetryHandle,
    pub(crate) loopback: Loopback,
    pub(crate) gauges: Vec<Arc<dyn Gauges>>,
    pub(crate) export: Option<Box<dyn Export>>,
    pub(crate) load_shed: LoadShedHandle,
    pub(crate) handle: ShutdownHandle,
    pub(crate) shutdown: Mutex<Option<Shutdown>>,
}

impl Road {
    /// Begins the road of a service. Its name is for logs and telemetry.
    pub fn builder(name: impl Into<String>) -> RoadBuilder {
        RoadBuilder::new(name.into())
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Watches the shutdown, and can begin it. It [spawns](ShutdownHandle::spawn) what the service does besides answering
    /// requests, so that the drain sees it to its end. Give it to handlers that upgrade connections, of which the drain has
    /// to [know](ShutdownHandle::upgraded); event streams and gRPC streams it ends by itself.
    pub fn shutdown(&self) -> ShutdownHandle {
        self.handle.clone()
    }

    /// Reads what load shedding sees and does, and switches its mode while the service runs. Give it to handlers that
    /// upgrade connections, which have to [take a place](LoadShedHandle::open_stream) among the streams.
    pub fn load_shed(&self) -> LoadShedHandle {
        self.load_shed.clone()
    }

    /// The app inside the road, as a Tower service over any request body.
    pub fn wrap(&self, app: Router) -> RoadService {
        RoadService::new(self.layers.wrap(app), self.renderer.clone())
    }

    /// The app inside the road, for stock `axum::serve`. Around it, [`run`](Self::run) does the rest.
    pub fn make(&self, app: Router) -> MakeRoadService {
        let mut layers = self.layers.clone();
        // Our own accept loop does this itself, and knows more; stock serve leaves it to the layer.
        layers.drain = layers.drain.close_connections(true);
        MakeRoadService::new(RoadService::new(layers.wrap(app), self.renderer.clone()))
    }

    /// Serves the app on the address of the settings, until a signal; then drains, and reports.
    ///
    /// # Errors
    ///
    /// Where an address cannot be listened on, the log's filter is none, or the road has been run before.
    pub async fn serve(&self, app: Router) -> Result<Report, Error> {
        let _log = logs::init(&self.settings, &self.service, self.export.as_deref())?;
        let mut listener = place::listen(&self.settings).await?;
        let place = Place::of(&mut listener)?;
        let (server, handle) = self.server(listener).pair();
        let (service, shutdown, handed_over) =
            (self.wrap(app), self.handle.clone(), place.handed_over.clone());
        let serve = async move |_: Draining| {
            let leave = async {
                handed_over.happens().await;
                // Probes that were accepted before are not told of it.
                tokio::time::sleep(TO_ANSWER_PROBES).await;
                shutdown.trigger("a successor has the listening socket");
                pending().await
            };
            // 16 KiB, off the stacks and out of the futures of whoever awaits this.
            let serving = Box::pin(server.serve(service));
            let served = tokio::select! {
                served = serving => served,
                never = leave => never,
            };
            shutdown.note_cut(served.connections_cut, served.requests_cut);
            shutdown.note_discarded(served.requests_discarded);
            Ok::<(), io::Error>(())
        };
        Box::pin(self.run_watched(Some(place), vec![Arc::new(handle)], serve)).await
    }

    /// Runs a server of one's own, with all that is around it: signals, the admin listener, checks, the drain, hooks
    /// and the report.
    ///
    /// `serve` gets the future that resolves when accepting must stop:
    ///
    /// ```no_run
    /// # async fn example(road: macadam::Road, app: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    /// let report = road
    ///     .run(|draining| axum::serve(listener, road.make(app)).with_graceful_shutdown(draining))
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// Stock serve closes idle connections the moment the drain begins, also those on which a request is on its way.
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve).
    pub async fn run<S, F, E>(&self, serve: S) -> Result<Report, Error>
    where
        S: FnOnce(Draining) -> F,
        F: IntoFuture<Output = Result<(), E>>,
        E: Into<BoxError>,
    {
        self.run_watched(None, Vec::new(), serve).await
    }

    async fn run_watched<S, F, E>(
        &self,
        place: Option<Place>,
        gauges: Vec<Arc<dyn Gauges>>,
        serve: S,
    ) -> Result<Report, Error>
    where
        S: FnOnce(Draining) -> F,
        F: IntoFuture<Output = Result<(), E>>,
        E: Into<BoxError>,
    {
        let _log = logs::init(&self.settings, &self.service, self.export.as_deref())?;
        let shutdown = self.shutdown.lock().unwrap_or_else(PoisonError::into_inner).take();
        let shutdown = shutdown.ok_or(Error::AlreadyRun)?;
        let (address, is_awaited) = match &place {
            Some(place) => (Some(place.address), place.has_predecessor),
            None => (None, false),
        };
        self.loopback.listens_at(address.unwrap_or(self.settings.listen));
        let gauges = [self.gauges.clone(), logs::gauges().collect(), gauges].concat();
        let told = [gauges.clone(), self.background()].concat();
        if let Some(export) = &self.export {
            export.install()?;
            export.start(self.telemetry.clone(), &told)?;
        }
        let mut bound = self.admin(place, gauges, told)?;
        let admin_address = bound.as_ref().filter(|admin| admin.is_bound()).map(Admin::local_addr);
        // Both live until the hooks are done: an operator wants to see the whole of a shutdown.
        let mut admin = None;
        let _checks = self.health.spawn();
        if !is_awaited {
            admin = bound.take().map(Admin::spawn).transpose()?;
        }
        let serve = async |draining| {
            if is_awaited {
                // Until then the instance before this one answers, also the probes.
                if !self.is_ready_in_time().await? {
                    return Ok(());
                }
                admin = bound.map(Admin::spawn).transpose()?;
            }
            // Said when it is true: from here on the service is ready.
            self.say_hello(address, admin_address);
            serve(draining).into_future().await.map_err(Into::into)
        };
        let report = shutdown.run::<_, _, BoxError>(serve).await;
        if let Some(export) = &self.export {
            export.flush_last_words().await;
        }
        Ok(report)
    }

    /// Waits until the checks have passed. `false` if it has to leave before.
    async fn is_ready_in_time(&self) -> Result<bool, String> {
        let phase = self.handle.watch();
        let ready = async {
            let mut seen = self.health.version();
            while !self.health.is_ready() {
                seen = self.health.changed(seen).await;
            }
        };
        tokio::select! {
            biased;
            () = ready => Ok(true),
            _ = phase.reached(Phase::LameDuck) => Ok(false),
            () = tokio::time::sleep(TO_GET_READY) => Err(format!(
                "it was not ready within {TO_GET_READY:?}, so the instance that has the listening socket keeps it; end that one first to start all the same"
            )),
        }
    }

    fn server(&self, listener: Listener) -> Server {
        let settings = &self.settings.serve;
        let server = self
            .encryption
            .on(Server::new(listener))
            .first_byte(settings.first_byte)
            .header(settings.header)
            .keep_alive_idle(settings.keep_alive_idle)
            .request_body_idle(self.settings.timeouts.request_body_idle)
            .min_rate(MinRate::new(settings.min_rate, GRACE))
            .max_connections(settings.max_connections as usize)
            .fit_descriptors()
            .phase(self.handle.watch());
        let server = match settings.max_age {
            Some(age) => server.max_age(age, settings.max_age_grace),
            None => server,
        };
        match settings.max_connections_per_address {
            0 => server,
            connections => server.max_connections_per_address(connections as usize),
        }
    }

    /// Figures that are measured and not shown to a person, who sees them better otherwise.
    fn background(&self) -> Vec<Arc<dyn Gauges>> {
        vec![Arc::new(self.health.clone()), Arc::new(Process::new(tokio::runtime::Handle::current()))]
    }

    /// With `shown` on its page, and `told` to whoever scrapes it.
    fn admin(
        &self,
        place: Option<Place>,
        shown: Vec<Arc<dyn Gauges>>,
        told: Vec<Arc<dyn Gauges>>,
    ) -> Result<Option<Admin>, Error> {
        let Some(address) = self.settings.admin.listen else { return Ok(None) };
        let (socket, handed_over) = place.map(|place| (place.admin, place.handed_over)).unzip();
        let health = self.health.clone();
        let admin = match socket.flatten().unwrap_or_else(|| TcpListener::bind(address)) {
            Ok(socket) => Admin::on(socket, health)?,
            Err(error) => {
                let in_use = error.kind() == io::ErrorKind::AddrInUse;
                let error = Error::Listen { key: "admin.listen", address, error };
                if !in_use {
                    return Err(error);
                }
                // An instance before this one may keep it to the end, and a service without probes is better than none.
                tracing::warn!(
                    "{error}; meanwhile the service goes on without probes there, and takes the address when it is free"
                );
                Admin::when_free(address, health)
            }
        };
        let admin = match self.settings.health.agent_check {
            Some(agent) => admin.agent_check(agent)?,
            None => admin,
        };
        let admin = admin
            .service(&self.settings.name)
            .phase(self.handle.watch())
            .in_flight(self.handle.in_flight().clone())
            .runtime(self.runtime_watch())
            .outcomes(self.telemetry.outcomes().clone());
        let admin = handed_over.into_iter().fold(admin, Admin::handed_over);
        let admin = self.version.iter().fold(admin, Admin::version);
        let exposition = Exposition::new().requests(self.telemetry.clone());
        let exposition = told.into_iter().fold(exposition, Exposition::gauges);
        let admin = admin.metrics(move |accept| {
            let format = Format::accepted(accept);
            (format.content_type(), exposition.text(format))
        });
        Ok(Some(shown.into_iter().fold(admin, Admin::gauges)))
    }

    /// Watches the runtime that this is called in.
    fn runtime_watch(&self) -> RuntimeWatch {
        let settings = &self.settings.health;
        RuntimeWatch::new(tokio::runtime::Handle::current())
            .unready_after(settings.unready_after)
            .dead_after(settings.dead_after)
    }

    /// What a person needs who has just started the service.
    fn say_hello(&self, address: Option<SocketAddr>, admin: Option<SocketAddr>) {
        let settings = &self.settings;
        let BuildInfo { commit, profile, debug_assertions, .. } = self.build;
        tracing::info!(version = self.version, commit, profile, debug_assertions, "built");
        if let Some(address) = address {
            let (curl, scheme) = self.encryption.curl();
            let name = &settings.name;
            tracing::info!("{name} serving on {scheme}://{address}, try `{curl} {scheme}://{address}/`");
        }
        if let Some(admin) = admin {
            tracing::info!("admin on http://{admin}, try `curl http://{admin}/readyz?verbose`");
        }
        if let Some(export) = &self.export {
            tracing::info!("{}", export.says());
        }
        let endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
        if self.export.is_none() && settings.telemetry.otlp && std::env::var_os(endpoint).is_some() {
            tracing::warn!(
                "{endpoint} is set, and nothing is sent there: add `features = [\"otel\"]` to the dependency on macadam if it lacks that, or set `telemetry.otlp` to false"
            );
        }
        for setting in settings.differing() {
            tracing::info!("setting {setting}");
        }
        let timeouts = &settings.timeouts;
        let trusted = timeouts.inherit == Inherit::Trust;
        for (name, timeout, counts) in [
            ("timeouts.request", timeouts.request, true),
            ("timeouts.inherit_max", timeouts.inherit_max, trusted),
        ] {
            if counts && timeout > settings.shutdown.drain {
                tracing::warn!(
                    "{name} ({timeout:?}) is longer than shutdown.drain ({:?}): a deploy may cut a request that is in time",
                    settings.shutdown.drain
                );
            }
        }
    }
}

impl fmt::Debug for Road {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Road")
            .field("settings", &self.settings)
            .field("shutdown", &self.handle)
            .finish_non_exhaustive()
    }
}

/// Serves an app with all of the road's defaults, and what `macadam.toml` and the environment say otherwise, until a
/// signal.
///
/// # Errors
///
/// Where the settings are wrong or an address cannot be listened on: one sentence, with the cure.
pub async fn serve(app: Router) -> Result<Report, Error> {
    let settings = Settings::load()?;
    Road::builder(settings.name.clone()).settings(settings).build()?.serve(app).await
}

/// For how long a client may be slower than `serve.min_rate`.
const GRACE: Duration = Duration::from_secs(5);
/// From the hand-over to the lame duck. A probe that this instance had accepted asks for the address, not for it.
const TO_ANSWER_PROBES: Duration = Duration::from_millis(50);
/// From the sockets that another instance gave to its last word. It waits longer.
const TO_GET_READY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use macadam_health::Check;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_successor_has_30_s_to_get_ready_and_not_a_tick_more() {
        let check = Check::new("postgres", async || Err::<(), _>("no connection")).critical();
        let road = Road::builder("orders").settings(Settings::default()).check(check).build().unwrap();
        let ready = road.is_ready_in_time();
        let mut ready = std::pin::pin!(ready);
        let tick = Duration::from_millis(1);
        assert!(tokio::time::timeout(TO_GET_READY - tick, &mut ready).await.is_err());
        let error = tokio::time::timeout(tick * 2, &mut ready).await.unwrap().unwrap_err();
        assert!(error.ends_with("keeps it; end that one first to start all the same"), "{error}");
    }
}
