//! What a setting is that nobody has set.

use std::{net::SocketAddr, time::Duration};

use http::HeaderName;
use macadam_health::OnDrain;
use macadam_load_shed::Mode;
use macadam_serve::HandOver;
use macadam_telemetry::{Access, Inbound as TrustInbound};
use macadam_timeouts::Malformed;

use super::{
    Admin, ByPath, Bytes, Health, Inbound, Inherit, LoadShed, Logs, Profile, RequestId, Serve, Settings,
    Shutdown, Telemetry, Timeouts, source,
};

impl Default for Settings {
    /// The defaults of the profile that fits this build: `dev` with debug assertions, else `prod`.
    fn default() -> Self {
        Self::of_profile(if cfg!(debug_assertions) { Profile::Dev } else { Profile::Prod })
    }
}

impl Settings {
    /// The defaults of a profile. Each has its reason in the table of keys.
    pub fn of_profile(profile: Profile) -> Self {
        let dev = profile == Profile::Dev;
        Self {
            name: source::service_name(),
            profile,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            body_limit: Bytes(1 << 20),
            admin: Admin { listen: Some(SocketAddr::from(([127, 0, 0, 1], 9901))) },
            request_id: RequestId { inbound: Inbound::AcceptIfValid },
            timeouts: Timeouts {
                request: Duration::from_secs(3),
                request_body_idle: Duration::from_secs(30),
                inherit: Inherit::Shorten,
                inherit_max: Duration::from_secs(20),
                header: HeaderName::from_static("x-request-timeout-ms"),
                malformed: Malformed::Ignore,
                response_body_idle: Duration::from_secs(300),
                stream_idle: None,
            },
            load_shed: LoadShed {
                mode: Mode::Enforce,
                max_in_flight: 1024,
                queue: 512,
                queue_wait: Duration::from_millis(250),
                target_lag: Duration::from_millis(5),
                criticality: ByPath::default(),
            },
            shutdown: Shutdown {
                lame_duck: Duration::from_secs(if dev { 0 } else { 5 }),
                lame_duck_min: Duration::from_secs(1),
                drain: Duration::from_secs(20),
                budget: Duration::from_secs(28),
            },
            serve: Serve {
                first_byte: Duration::from_secs(10),
                header: Duration::from_secs(20),
                keep_alive_idle: Duration::from_secs(75),
                min_rate: 240,
                max_age: None,
                max_age_grace: Duration::from_secs(30),
                max_connections: 10_000,
                max_connections_per_address: 0,
                hand_over: HandOver::Auto,
                reuse_port: false,
                tls_certificate: None,
                tls_key: None,
                tls_handshake: Duration::from_secs(10),
            },
            health: Health {
                public: true,
                loopback_probe: false,
                unready_after: Duration::from_secs(1),
                dead_after: Some(Duration::from_secs(10)),
                on_drain: OnDrain::Fail,
                envoy: false,
                agent_check: None,
            },
            telemetry: Telemetry {
                logs: if dev { Logs::Pretty } else { Logs::Json },
                filter: "info".to_owned(),
                access: Access::Info,
                repeats: 10,
                trust_inbound: TrustInbound::Link,
                otlp: true,
                flush_timeout: Duration::from_secs(1),
            },
            app: toml::Table::new(),
            app_source: None,
            set: Vec::new(),
            grace_period: None,
        }
    }
}
