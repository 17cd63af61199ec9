//! Health checks on a schedule, and `/livez`, `/readyz` and `/startupz` that answer from what they last found.
//!
//! It opens no socket to listen on and knows no metrics format. A check is any async function, or one of the ready-made
//! [`checks`], each behind a feature.
//!
//! ```
//! use std::{io, time::Duration};
//!
//! use http::{Request, Response};
//! use macadam_health::{Check, Health};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! async fn ping() -> Result<(), io::Error> {
//!     Err(io::Error::other("connection refused"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let health = Health::builder()
//!     .check(Check::new("postgres", ping).interval(Duration::from_secs(2)))
//!     .check(Check::new("search", async || Ok::<_, io::Error>(())).degrading())
//!     .build()?;
//! let schedule = health.spawn(); // the checks run until this is dropped
//!
//! let orders = service_fn(async |_: Request<String>| Ok::<_, io::Error>(Response::new("orders".to_owned())));
//! let app = health.layer().layer(orders);
//!
//! let get = |path| Request::get(path).body(String::new());
//! assert_eq!(app.clone().oneshot(get("/orders")?).await?.status(), 200); // passed on
//! assert_eq!(app.clone().oneshot(get("/livez")?).await?.status(), 200);
//! assert_eq!(app.clone().oneshot(get("/readyz")?).await?.status(), 503); // postgres
//! assert_eq!(app.oneshot(get("/readyz?exclude=postgres")?).await?.status(), 200);
//! # Ok(()) }
//! ```
//!
//! # Probes
//!
//! | path | asks | and fails with |
//! |---|---|---|
//! | `/livez` | would a restart help? | liveness checks |
//! | `/readyz` | should it get traffic? | the phase, latches, startup checks, readiness checks |
//! | `/startupz` | has it started? | a phase before serving, latches, startup checks |
//! | `/{probe}/{check}` | one check of that probe | that check alone, degrading or not |
//!
//! `?verbose` lists the checks of a probe that passes; one that fails always lists them. `?exclude=a&exclude=b`
//! leaves checks out. The checks `ping` (the process answers) and, where a phase is given, `starting` and `shutdown`
//! are always there: readiness fails until the phase is serving and from the lame duck on. Liveness never depends
//! on the phase. Each answer that tells of the shutdown is [noted](macadam_core::PhaseWatch::note_probe) where the phase
//! is, so that whoever moves it knows when platforms have noticed.
//!
//! # Checks
//!
//! A probe reads what the checks last found and never runs one, so a thousand probes a second cost the database
//! nothing. Each check runs in a task of its own, and never twice at a time. A check goes down after
//! [`failure_threshold`](Check::failure_threshold) failures in a row and up after
//! [`success_threshold`](Check::success_threshold) passes in a row; one result of the other kind starts the row anew.
//! Before its first result a readiness or startup check is down as `pending` and a liveness check is up. A startup check
//! that has been up is not run again.
//!
//! | a run that | counts as failed, with | |
//! |---|---|---|
//! | returns an error | the error's text | |
//! | hangs | `timeout` | it is dropped when its time is over |
//! | panics | `panicked` | the next run starts as ever |
//! | blocks its thread | `stuck for …` | 1 s after its timeout, and again each time that another run would have timed out |
//!
//! The last is seen by whoever looks, from whatever thread, so it is told also of a runtime that stands still; but not of a
//! liveness check there, since that would be a restart before [its time](RuntimeWatch::dead_after). It takes two looks: a process that was stopped as a whole blames no check when it goes on. On a runtime of many threads a check that
//! blocks holds up none but itself; on one of a single thread it holds up all that runs there, but never a probe from
//! elsewhere.
//!
//! | class | while it is down |
//! |---|---|
//! | [critical](Check::critical) | the probe fails |
//! | [degrading](Check::degrading) | it is reported, and the probe passes |
//! | [shared](Check::shared) | the same, since all instances would fail at once; [from a limit on](Check::shared_for) the probe fails |
//!
//! A [`Latch`] is what has to be done once before the process has started. [`Health::snapshot`] tells everything that is
//! known of all of them, and [`Health::changed`] when an answer is another one.
//!
//! # The runtime
//!
//! Where somebody [watches](Health::watch) the runtime that answers the requests, from a thread outside it, `runtime` is one
//! more line of `/readyz` and `/livez`. It needs no task in that runtime and costs a request nothing: it reads what
//! tokio counts for each worker anyhow. A worker stands still while it does not look for I/O and timers, which it does
//! when it has nothing else to do, and after 61 polls (tokio's `event_interval`): it sits in one poll that blocks, or
//! in a round of long ones.
//!
//! | who stands still | `/readyz` | `/livez` |
//! |---|---|---|
//! | all workers, for [`unready_after`](RuntimeWatch::unready_after) | fails | passes |
//! | all workers, for [`dead_after`](RuntimeWatch::dead_after) | fails | fails |
//! | some of them, for `unready_after` | passes, *degraded*, with the longest age | passes |
//!
//! It is said at most 0.1 s late, and never early; when they move again, at most 0.05 s late. A process that was
//! stopped as a whole accuses nobody. Only another thread can answer in a stall of all workers: the layer on the
//! service's own listener stands still with them, and its client sees a timeout.
//!
//! A worker that was woken by I/O and then blocks takes the I/O of the workers that sleep along, since it was the one that
//! waited for all of them. While somebody looks, one of these is woken for that with an empty task, the only one that a
//! watch ever spawns.
//!
//! # Clocks
//!
//! - A check's *timeout* runs from the start of a run to its result.
//! - A worker *stands still* from the first look at it, of twenty a second, to the last one that sees it as it was.
//! - A check's *interval* runs from the end of a run to the start of the next, and is the shorter
//!   [`interval_while_down`](Check::interval_while_down) while it is down, or its last run failed. It is shortened by
//!   [jitter](Check::jitter). The first run starts with the schedule, and the pause after it is of any length up to that.
//!
//! # Answers
//!
//! | condition | status | body |
//! |---|---|---|
//! | the probe passes | 200 | `ok`, or with `?verbose` a line a check |
//! | the probe fails | 503, or [500](HealthLayer::internal_server_error) | a line a check |
//! | it fails for the shutdown alone, with [`OnDrain::NotFound`] | 404 | a line a check |
//! | no such check in this probe | 404 | `not found` |
//! | neither GET nor HEAD | 405, with `Allow` | a sentence |
//!
//! They are Kubernetes' own plain text or, where `Accept` prefers it, the `application/health+json` of
//! `draft-inadarei-api-health-check-06`, also under the name of `application/json`: `pass`, `warn` (a check degrades) or
//! `fail`, and each check with what its last run took. All have `Cache-Control: no-store` and, as `ETag`, a name for what
//! they say. A reason is `reason withheld`, and in JSON left out with times and durations, unless the layer or the
//! service was told to give [details](HealthLayer::details).
//!
//! # Reach
//!
//! Whoever follows a process is told of a change when it happens, that of a shutdown included, and each of them in its
//! own language:
//!
//! - *A long poll*: a probe with `If-None-Match` and `Prefer: wait=30` is answered when what it would be told has another
//!   `ETag` than the one it knows, or after 30 s with what it knows; `Preference-Applied` says so. Nobody waits for more
//!   than 60 s, and no more than 64 at a time: one more is answered at once. There is no 304, which many a platform takes
//!   for health.
//! - *Envoy*: every response that passes a layer which is [told so](HealthLayer::envoy) bears
//!   `x-envoy-immediate-health-check-fail` from the lame duck on.
//! - *gRPC*, with the feature `grpc`: `Health::grpc` answers Check, List and Watch of `grpc.health.v1`, as a service or a layer.
//! - *HAProxy's agent-check*: [`Health::agent_line`] is the line for it; `macadam-admin` has a listener.
//!
//! What readiness says on the way out is [`OnDrain`]: it fails at once, with 503 or 404, or stays for a while.
//!
//! # Ordering
//!
//! The layer belongs outside everything else: a probe must not be shed, timed out, drained or traced, and none of
//! its answers is a [`Rejection`](macadam_core::Rejection). A request that is not a probe costs three comparisons of
//! its path and no allocation.
//!
//! # Differences from Kubernetes' own servers
//!
//! The text is that of `k8s.io/apiserver`, to the byte, but: failure is 503 by default; a check that degrades has a
//! line `[+]name degraded: …`; a single check that fails answers with its line and not with `internal server error`;
//! checks run on a schedule and not inside the probe; excluded names are not percent-decoded, since a check's name
//! never needs it.

mod agent;
mod answer;
mod builder;
mod changes;
mod check;
pub mod checks;
mod class;
mod drain;
mod entry;
mod error;
#[cfg(feature = "grpc")]
mod grpc;
mod health;
mod jitter;
mod judge;
mod latch;
mod layer;
mod probe;
mod reach;
mod reason;
mod record;
mod runtime;
mod schedule;
mod service;
mod snapshot;

#[cfg(feature = "grpc")]
pub use self::grpc::{
    GrpcFuture, GrpcHealth, GrpcHealthBody, GrpcHealthFuture, GrpcHealthLayer, GrpcProbed, GrpcProbedBody,
};
pub use self::{
    builder::HealthBuilder,
    check::Check,
    class::{Class, Status},
    drain::OnDrain,
    error::ConfigError,
    health::Health,
    latch::Latch,
    layer::{HealthLayer, Probed, ResponseFuture},
    probe::Probe,
    runtime::RuntimeWatch,
    schedule::Schedule,
    service::{HealthService, ProbeBody, ProbeFuture},
    snapshot::{CheckSnapshot, LatchSnapshot, LatchState, Outcome, Run, Snapshot},
};
