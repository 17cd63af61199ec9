//! The admin listener: probes and status on a thread and a runtime of their own.
//!
//! A probe that queues behind the requests of a busy runtime says nothing about the process. So this listener shares
//! nothing with the service but what it reads: it answers in milliseconds while every worker of the main runtime is
//! blocked, and all through a shutdown.
//!
//! What answers elsewhere may say that all is well while nobody is served: so the thread also
//! [watches the runtime](Admin::runtime) that does the serving, and its probes tell where that stands still.
//!
//! It does no TLS, asks for no password and changes nothing: bind it where only operators and their platform can
//! reach it. `/metrics` is not there yet.
//!
//! | path | answers |
//! |---|---|
//! | `/livez`, `/readyz`, `/startupz` | the probes of `macadam-health`, with the reasons of failures |
//! | `/status` | JSON: service, version, pid, phase, uptime, gauges, and the 100 slowest requests in flight |
//! | `/` | a list of these |
//!
//! Everything else is 404, and any method but GET and HEAD 405 with `Allow`. No answer may be stored.
//!
//! ```
//! use macadam_admin::Admin;
//! use macadam_core::InFlight;
//! use macadam_health::{Check, Health};
//! use macadam_test::wire::Client;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let health = Health::builder().check(Check::new("postgres", async || Err("connection refused"))).build()?;
//! let admin = Admin::bind("127.0.0.1:0".parse()?, health)?
//!     .service("orders").version("1.4.2")
//!     .in_flight(InFlight::new())
//!     .spawn()?;
//!
//! let mut operator = Client::connect(admin.local_addr()).await;
//! assert_eq!(operator.get("/livez").await.status, 200);
//! assert_eq!(operator.get("/readyz").await.status, 503); // postgres has not passed yet
//! assert_eq!(operator.get("/readyz/postgres").await.text(), "[-]postgres failed: pending\n");
//! assert!(operator.get("/status").await.text().contains(r#""service": "orders""#));
//! # Ok(()) }
//! ```
//!
//! # Status
//!
//! `schema` is 1. A member may be added without a change of it; it is counted up when one goes or changes its
//! meaning. A value that is not known is `null`.
//!
//! ```json
//! {
//!   "schema": 1,
//!   "service": "orders",
//!   "version": "1.4.2",
//!   "pid": 4711,
//!   "phase": "serving",
//!   "ready": true,
//!   "uptime_seconds": 86400.5,
//!   "in_flight": {
//!     "total": 1,
//!     "slowest": [
//!       { "id": "01J-42", "method": "GET", "route": "/orders/{id}", "stage": "handling", "age_ms": 120 }
//!     ]
//!   },
//!   "gauges": [{ "name": "macadam_health_ready", "labels": {}, "value": 1.0 }]
//! }
//! ```
//!
//! # Clocks and limits
//!
//! Uptime runs from the bind, a request's age from its arrival. At most 128 connections are open at a time; for a
//! new one the longest-silent makes room. A connection's first byte, a head and each frame of a body may take 5 s.
//!
//! # Ordering
//!
//! Bind it before anything starts, spawn it before the checks, and drop its handle last: it does not follow the
//! process' phase, so that the whole of a shutdown can be watched.
//!
//! Where the service's socket is [handed over](Admin::handed_over) to a successor, this one goes along, and its connections are
//! closed when they are idle: who asks next asks the successor. An address that another process has, such as an
//! instance that is about to end, is [waited for](Admin::when_free).

mod admin;
mod error;
mod handle;
mod place;
mod routes;
mod status;

pub use self::{admin::Admin, error::AdminError, handle::AdminHandle};
