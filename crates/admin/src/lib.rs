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
//! reach it.
//!
//! | path | answers |
//! |---|---|
//! | `/livez`, `/readyz`, `/startupz` | the probes of `macadam-health`, with the reasons of failures |
//! | `/status` | JSON: all that is known of the process, by a [schema](#status) |
//! | `/metrics` | what is measured, for Prometheus, where a [text](Admin::metrics) of it was given |
//! | `/` | the same as a page for people, where the client accepts `text/html` by name; a list of these paths otherwise |
//! | `/stream` | an event a second: the page's live part, to eight clients at a time |
//!
//! Everything else is 404, and any method but GET and HEAD 405 with `Allow`. No answer may be stored.
//!
//! The page is one document that asks nobody but this listener, and that the browser's policy keeps from it. It is whole
//! without scripts, and follows a phone's width and a dark desk. All text in it is escaped.
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
//! At an [address of its own](Admin::agent_check) it answers HAProxy's agent-check, with `up`, `down` and `drain`.
//!
//! # Status
//!
//! Phase, probes, checks and latches with their ages and their latest runs; the requests in flight, the 100 slowest by
//! name; rates and quantiles of the last 10 s and of each second of the last minute; the last requests that were slow or
//! failed; limit, queue, lag and refusals, where the service sheds; memory; and every gauge. `docs/status.schema.json` has
//! each member and what it means.
//!
//! `schema` is 1. A member may be added without a change of it; it is counted up when one goes or changes its
//! meaning. A value that is not known is `null`.
//!
//! ```json
//! {
//!   "schema": 1,
//!   "service": "orders",
//!   "phase": "serving",
//!   "probes": { "livez": "pass", "readyz": "warn", "startupz": "pass" },
//!   "in_flight": {
//!     "total": 1,
//!     "slowest": [
//!       { "id": "01J-42", "method": "GET", "route": "/orders/{id}", "stage": "handling", "age_ms": 120 }
//!     ]
//!   },
//!   "requests": { "window_seconds": 10.0, "per_second": 812.4, "p50_ms": 3.1, "p95_ms": 9.8, "p99_ms": 24.0 }
//! }
//! ```
//!
//! # What it may cost the service
//!
//! Nobody who asks makes a check run: answers tell what is known. A second thread reads the rest, once a second, and
//! besides when the status is asked for, but never more than ten times a second, however many ask; who asks sooner waits.
//! So no client makes it take more often a lock that requests take too, and a probe waits for none of it, not even where a
//! handle hangs when it is read: then the status is 503 after 1 s.
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
mod agent;
mod check;
mod error;
mod handle;
mod history;
mod load;
mod memory;
mod page;
mod place;
mod reader;
mod routes;
mod runtime;
mod scrape;
mod sources;
mod status;
mod stream;

pub use self::{admin::Admin, error::AdminError, handle::AdminHandle};
