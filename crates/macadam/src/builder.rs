//! What a road is made of, and every mistake in it, found before anything starts.

use std::{
    borrow::Cow,
    error::Error as StdError,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use macadam_core::{Gauges, Render};
use macadam_graceful_shutdown::{Hook, Shutdown, ShutdownBuilder};
use macadam_health::{Check, Health, HealthBuilder, Latch};
use macadam_load_shed::LoadShedLayer;
use macadam_request_id::RequestIdLayer;
use macadam_telemetry::{BuildInfo, Resource, Scheme, TelemetryLayer};
use macadam_timeouts::{Inherit, TimeoutHeader, TimeoutLayer};

use crate::{
    body_limit::EnforceBodyLimitLayer,
    catch_panic::CatchPanicLayer,
    error::Error,
    export, logs,
    loopback::{Loopback, Way},
    road::Road,
    settings::{self, Inbound, Settings},
    stack::Layers,
    tls::Encryption,
};

/// What a [`Road`] is made of.
#[must_use = "a builder does nothing until it is built"]
pub struct RoadBuilder {
    name: String,
    version: Option<String>,
    build_info: Option<BuildInfo>,
    settings: Option<Settings>,
    health: HealthBuilder,
    hooks: Vec<Hook>,
    reloads: Vec<Told>,
    renderer: Option<Arc<dyn Render>>,
    grpc: Option<Vec<String>>,
}

/// What the builder of the shutdown is told, once there is one.
type Told = Box<dyn FnOnce(ShutdownBuilder) -> ShutdownBuilder + Send>;

impl RoadBuilder {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            version: None,
            build_info: None,
            settings: None,
            health: Health::builder(),
            hooks: Vec::new(),
            reloads: Vec::new(),
            renderer: None,
            grpc: None,
        }
    }

    /// The settings. Where this is not called the build [loads](Settings::load) them. The name given to the builder
    /// stays, unless a source of the settings has one.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// The service's version, for telemetry and the status page, where it is not the one of
    /// [`build_info`](Self::build_info).
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Which build it is: [`macadam::build_info!()`](crate::build_info!), for the metric `macadam_build_info`, the log's first line
    /// and the version.
    pub fn build_info(mut self, build: BuildInfo) -> Self {
        self.build_info = Some(build);
        self
    }

    /// Adds a health check.
    pub fn check(self, check: Check) -> Self {
        Self { health: self.health.check(check), ..self }
    }

    /// The service is neither started nor ready while this latch is held: until migrations are through, say.
    pub fn latch(self, latch: &Latch) -> Self {
        Self { health: self.health.latch(latch), ..self }
    }

    /// Answers gRPC's health service (`grpc.health.v1.Health`) on the public listener, before anything else does.
    ///
    /// Every name in `services` (`orders.v1.Orders`) serves as long as `/readyz` passes, and so does the empty one; `livez`,
    /// `readyz` and `startupz` are those probes. A stream that watches is told of a drain at once, and ends with it.
    pub fn grpc_health<N: Into<String>>(mut self, services: impl IntoIterator<Item = N>) -> Self {
        self.grpc.get_or_insert_default().extend(services.into_iter().map(Into::into));
        self
    }

    /// Adds what has to be done when nothing is in flight any more, beside whatever else has to be.
    pub fn on_shutdown<H, F, E>(self, name: impl Into<Cow<'static, str>>, hook: H) -> Self
    where
        H: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.hook(Hook::new(name, hook))
    }

    /// Adds a hook that may begin with an earlier phase, wait for others or be the last, and have a limit.
    pub fn hook(mut self, hook: Hook) -> Self {
        self.hooks.push(hook);
        self
    }

    /// Adds what is done on SIGHUP, within 30 s, while the service goes on: to read a file of its own again, say.
    ///
    /// The settings of the road are read once. What follows its files by itself, as the certificate of
    /// `serve.tls_certificate` does, needs no SIGHUP. Where nothing is added, and systemd does not listen, SIGHUP is
    /// left what it was.
    pub fn on_reload<H, F, E>(mut self, name: impl Into<Cow<'static, str>>, hook: H) -> Self
    where
        H: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let name = name.into();
        self.reloads.push(Box::new(|builder| builder.on_reload(name, RELOAD_LIMIT, hook)));
        self
    }

    /// Replaces the form in which the road refuses requests.
    pub fn on_rejection(mut self, renderer: impl Render) -> Self {
        self.renderer = Some(Arc::new(renderer));
        self
    }

    /// The road, if everything in its settings fits.
    ///
    /// # Errors
    ///
    /// Where something does not: the error names it, and the cure.
    pub fn build(self) -> Result<Road, Error> {
        let Self { name, version, build_info, settings, health, hooks, reloads, renderer, grpc } = self;
        let mut settings = settings.map_or_else(Settings::load, Ok)?;
        settings.check()?;
        if settings.source_of("name").is_none() {
            settings.name = name;
        }
        // Of this crate, unless the service says it of itself.
        let build = build_info.unwrap_or_else(|| {
            let mut build = macadam_telemetry::build_info!();
            (build.version, build.commit, build.profile) = (None, None, None);
            build
        });
        let version = version.or_else(|| build.version.map(str::to_owned));
        let service = Resource::new(&settings.name, version.as_deref());
        let export = export::of(&settings.telemetry, &service)?;
        let hooks = hooks.into_iter().chain(export.as_ref().map(|export| export.hook())).collect();
        let shutdown = shutdown(&settings, hooks, reloads)?;
        settings.drain_is(shutdown.drain());
        let handle = shutdown.handle();
        let (encryption, certificate) = Encryption::of(&settings.serve)?.pair();
        let loopback = Loopback::default();
        let way = if settings.health.public && encryption.is_none() { Way::Probe } else { Way::HangUp };
        let asks = settings.health.loopback_probe.then(|| loopback.check(way, handle.watch()));
        let health = asks.into_iter().fold(health, HealthBuilder::check);
        let health = health.phase(handle.watch()).on_drain(settings.health.on_drain).build()?;

        let scheme = if certificate.is_some() { Scheme::Https } else { Scheme::Http };
        let (request_id, request_id_handle) = match settings.request_id.inbound {
            Inbound::AcceptIfValid => RequestIdLayer::internal(),
            Inbound::Regenerate => RequestIdLayer::edge(),
        }
        .pair();
        let (telemetry, telemetry_handle) = TelemetryLayer::new()
            .scheme(scheme)
            .inbound(settings.telemetry.trust_inbound)
            .access(settings.telemetry.access)
            .pair();
        let (timeouts, timeouts_handle) = timeouts(&settings).pair();
        let (load_shed, load_shed_handle) = load_shed(&settings)?.pair();
        let layers = Layers {
            health: health.layer().answering(settings.health.public).envoy(settings.health.envoy),
            grpc_health: health.grpc().services(grpc.iter().flatten()).layer().answering(grpc.is_some()),
            request_id,
            telemetry,
            drain: shutdown.layer().close_connections(false),
            catch_panic: CatchPanicLayer,
            timeouts,
            load_shed,
            body_limit: EnforceBodyLimitLayer::new(settings.body_limit.0),
        };
        let mut gauges: Vec<Arc<dyn Gauges>> = vec![
            Arc::new(handle.clone()),
            Arc::new(request_id_handle),
            Arc::new(telemetry_handle.clone()),
            Arc::new(timeouts_handle),
            Arc::new(load_shed_handle.clone()),
            Arc::new(build),
        ];
        gauges.extend(certificate);
        gauges.extend(export.as_ref().map(|export| export.gauges()));
        Ok(Road {
            settings,
            encryption,
            version,
            build,
            service,
            layers,
            renderer,
            health,
            telemetry: telemetry_handle,
            loopback,
            gauges,
            export,
            load_shed: load_shed_handle,
            handle,
            shutdown: Mutex::new(Some(shutdown)),
        })
    }
}

impl fmt::Debug for RoadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoadBuilder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn timeouts(settings: &Settings) -> TimeoutLayer {
    let settings = &settings.timeouts;
    let layer = TimeoutLayer::new(settings.request).expose().response_body_idle(settings.response_body_idle);
    let layer = settings.stream_idle.into_iter().fold(layer, TimeoutLayer::stream_idle);
    let inherit = match settings.inherit {
        settings::Inherit::Shorten => Inherit::shorten(),
        settings::Inherit::Trust => Inherit::trust(settings.inherit_max),
        settings::Inherit::Off => return layer,
    };
    let headers = [
        TimeoutHeader::grpc(),
        TimeoutHeader::connect(),
        TimeoutHeader::envoy(),
        TimeoutHeader::millis(settings.header.clone()),
    ];
    layer.inherit(inherit.headers(headers).malformed(settings.malformed))
}

fn load_shed(settings: &Settings) -> Result<LoadShedLayer, Error> {
    let settings = &settings.load_shed;
    let layer = LoadShedLayer::adaptive_up_to(settings.max_in_flight)?.target_lag(settings.target_lag)?;
    let layer = layer.queue(settings.queue).max_wait(settings.queue_wait).mode(settings.mode);
    let by_path = settings.criticality.clone();
    Ok(if by_path.is_empty() { layer } else { layer.criticality(move |head| by_path.of(head.uri.path())) })
}

fn shutdown(settings: &Settings, hooks: Vec<Hook>, reloads: Vec<Told>) -> Result<Shutdown, Error> {
    let chosen_drain = settings.chosen_drain();
    let settings = &settings.shutdown;
    let builder = Shutdown::builder()
        .lame_duck(settings.lame_duck)
        .lame_duck_min(settings.lame_duck_min)
        .budget(settings.budget)
        .flush_last_words(logs::flush);
    #[cfg(unix)]
    let builder = builder.systemd(true);
    let builder = reloads.into_iter().fold(builder, |builder, reload| reload(builder));
    let builder = chosen_drain.into_iter().fold(builder, ShutdownBuilder::drain);
    // The log is flushed when the road is at its end.
    let shutdown = hooks.into_iter().fold(builder, ShutdownBuilder::hook).build();
    Ok(shutdown.map_err(|error| error.of_table("shutdown"))?)
}

/// Less than the 90 s after which systemd gives a reload up.
const RELOAD_LIMIT: Duration = Duration::from_secs(30);
