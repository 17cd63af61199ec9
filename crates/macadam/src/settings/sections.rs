//! The tables of `macadam.toml`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use http::HeaderName;
use macadam_health::OnDrain;
use macadam_load_shed::Mode;
use macadam_serve::HandOver;
use macadam_telemetry::{Access, Inbound as TrustInbound};
use macadam_timeouts::Malformed;

use super::{ByPath, Inbound, Inherit, Logs};

/// `[admin]`: the admin listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Admin {
    /// Its address; `None` for no admin listener.
    pub listen: Option<SocketAddr>,
}

/// `[request_id]`: request ids.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestId {
    /// What to do with the id that a client sent.
    pub inbound: Inbound,
}

/// `[timeouts]`: timeouts of requests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Timeouts {
    /// From a request's arrival to its answer.
    pub request: Duration,
    /// Between two frames of a request's body, while the handler waits for one.
    pub request_body_idle: Duration,
    /// What to do with the time that a caller says it will wait.
    pub inherit: Inherit,
    /// From a request's arrival to its answer, at most, whatever a trusted caller says.
    pub inherit_max: Duration,
    /// The header in which a caller says it, beside those of gRPC, Connect and Envoy.
    pub header: HeaderName,
    /// What becomes of a request whose header for that is malformed.
    pub malformed: Malformed,
    /// Between two frames of a response's body, while the connection asks for one.
    pub response_body_idle: Duration,
    /// The same for streams; `None` is for ever.
    pub stream_idle: Option<Duration>,
}

/// `[load_shed]`: load shedding.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadShed {
    /// Whether requests are shed.
    pub mode: Mode,
    /// The most requests in flight at once.
    pub max_in_flight: u32,
    /// The most requests that wait for their turn.
    pub queue: u16,
    /// From a request's place in the queue to its turn, at most.
    pub queue_wait: Duration,
    /// How late the executor may be before requests are shed for it.
    pub target_lag: Duration,
    /// Which path matters how much.
    pub criticality: ByPath,
}

/// `[shutdown]`: the way from a signal to the exit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Shutdown {
    /// From the signal to the end of accepting, at most.
    pub lame_duck: Duration,
    /// The same at the least, unless `lame_duck` is less.
    pub lame_duck_min: Duration,
    /// From the end of accepting until what is still in flight is cut.
    pub drain: Duration,
    /// From the signal to the exit, whatever hangs.
    pub budget: Duration,
}

/// `[serve]`: connections.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Serve {
    /// From the accept to the first byte.
    pub first_byte: Duration,
    /// From the first byte of a request's head to its last.
    pub header: Duration,
    /// From the end of an exchange to the next request.
    pub keep_alive_idle: Duration,
    /// The least bytes a second of a client that is waited for; 0 for none.
    pub min_rate: u32,
    /// The age at which a connection is to end.
    pub max_age: Option<Duration>,
    /// From that age until what is in flight on it is cut.
    pub max_age_grace: Duration,
    /// The most connections at once.
    pub max_connections: u32,
    /// The most connections of one address; 0 for no limit.
    pub max_connections_per_address: u32,
    /// From where the listening socket comes at the start, and whether it is given to the next instance.
    pub hand_over: HandOver,
    /// Whether other processes may listen on the same address.
    pub reuse_port: bool,
    /// The file with the certificate; `None` for no TLS.
    pub tls_certificate: Option<PathBuf>,
    /// The file with its private key.
    pub tls_key: Option<PathBuf>,
    /// From the accept to the end of the TLS handshake.
    pub tls_handshake: Duration,
}

/// `[health]`: probes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// Whether the public listener answers probes too.
    pub public: bool,
    /// Whether the service asks itself on its public listener.
    pub loopback_probe: bool,
    /// How long all workers stand still before the service is not ready.
    pub unready_after: Duration,
    /// The same before it should be started anew; `None` is never.
    pub dead_after: Option<Duration>,
    /// What readiness says from the lame duck on.
    pub on_drain: OnDrain,
    /// Whether responses tell Envoy to take this instance out.
    pub envoy: bool,
    /// The address of the agent that HAProxy asks; `None` for no agent.
    pub agent_check: Option<SocketAddr>,
}

/// `[telemetry]`: logs and traces.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Telemetry {
    /// Their form.
    pub logs: Logs,
    /// Which events are logged, in the form of `RUST_LOG`.
    pub filter: String,
    /// The level of the line that is written of each request.
    pub access: Access,
    /// How many warnings and errors of one place are written at once, and then a second; 0 for no limit.
    pub repeats: u32,
    /// What becomes of the trace that a caller says it is in.
    pub trust_inbound: TrustInbound,
    /// Whether what is measured, traced and logged goes to the collector that the environment names.
    pub otlp: bool,
    /// From the beginning of the last flush of that to its end, at most.
    pub flush_timeout: Duration,
}
