//! The service: the road with its defaults, two checks that are ready made, and routes that need their servers or do not.

use std::{fmt::Display, net::SocketAddr, time::Duration};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use macadam::{Check, Road, Settings};
use macadam_health::checks;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{Result, server::Kind};

pub(crate) const ROLE: &str = "serve";
pub(crate) const USER: &str = "orders";
/// No reason may have it.
pub(crate) const PASSWORD: &str = "hunter2";

/// Of both checks.
pub(crate) const INTERVAL: Duration = Duration::from_millis(200);
pub(crate) const TIMEOUT: Duration = Duration::from_millis(300);
pub(crate) const FAILURES: u32 = 3;
pub(crate) const SUCCESSES: u32 = 2;
/// By how much of itself a pause may be shorter: as a check has it by default.
pub(crate) const JITTER: f64 = 0.05;

pub(crate) const POOL: u32 = 4;
/// How long `/hold` keeps a connection of the pool.
pub(crate) const HELD: Duration = Duration::from_millis(1500);

/// Serves until SIGTERM.
pub(crate) async fn serve(postgres: &str, redis: &str) -> Result {
    let (postgres, redis): (SocketAddr, SocketAddr) = (postgres.parse()?, redis.parse()?);
    let options = PgConnectOptions::new()
        .host(&postgres.ip().to_string())
        .port(postgres.port())
        .username(USER)
        .password(PASSWORD)
        .database("postgres");
    let orders = PgPoolOptions::new().max_connections(POOL).connect_lazy_with(options);
    let client = redis::Client::open(format!("redis://:{PASSWORD}@{redis}"))?;
    // It connects again with the next command. One that tries again and again by itself, as it does by default, leaves that
    // command waiting, and a server that refuses looks like one that says nothing.
    let config = ConnectionManagerConfig::new().set_number_of_retries(0);
    let sessions = ConnectionManager::new_lazy_with_config(client, config)?;
    let servers = Servers { orders, sessions };

    let road = Road::builder("outage")
        .settings(Settings::load()?)
        .check(watched(checks::sqlx(Kind::Postgres.check(), &servers.orders, "SELECT 1")))
        .check(watched(checks::redis(Kind::Redis.check(), servers.sessions.clone())))
        .build()?;
    let app = Router::new()
        .route("/", get(async || "ok"))
        .route(
            Kind::Postgres.target(),
            get(async |state: State<Servers>| answer(state.orders(Duration::ZERO).await)),
        )
        .route("/hold", get(async |state: State<Servers>| answer(state.orders(HELD).await)))
        .route(Kind::Redis.target(), get(async |state: State<Servers>| answer(state.session().await)))
        .with_state(servers);
    let report = road.serve(app).await?;
    if report.exit_code() == 0 { Ok(()) } else { Err(format!("{report:?}").into()) }
}

fn watched(check: Check) -> Check {
    check
        .interval(INTERVAL)
        .timeout(TIMEOUT)
        .failure_threshold(FAILURES)
        .success_threshold(SUCCESSES)
        .jitter(JITTER)
}

/// What the handlers share.
#[derive(Clone)]
struct Servers {
    orders: PgPool,
    sessions: ConnectionManager,
}

impl Servers {
    async fn orders(&self, takes: Duration) -> sqlx::Result<()> {
        let wait = sqlx::query("SELECT pg_sleep($1)").bind(takes.as_secs_f64());
        wait.execute(&self.orders).await.map(drop)
    }

    async fn session(&self) -> redis::RedisResult<()> {
        redis::cmd("GET").arg("session").exec_async(&mut self.sessions.clone()).await
    }
}

fn answer<E: Display>(done: Result<(), E>) -> (StatusCode, String) {
    match done {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
