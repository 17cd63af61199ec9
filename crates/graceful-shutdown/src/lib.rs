//! A shutdown that loses nothing and always ends: phases, drain, hooks, report.
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//!
//! use axum::{Router, routing::get};
//! use macadam_graceful_shutdown::{Hook, Report, Shutdown};
//! use tokio::net::TcpListener;
//!
//! async fn serve() -> Result<Report, Box<dyn std::error::Error>> {
//!     let shutdown = Shutdown::builder()
//!         .hook(Hook::new("flush outbox", || async { Ok::<_, Infallible>(()) }))
//! #       .signals(false).reaper(false).lame_duck(Duration::from_millis(10))
//!         .build()?;
//!
//!     let app = Router::new().route("/", get(async || "hello")).layer(shutdown.layer());
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//! #   shutdown.handle().trigger("the example is over");
//!     Ok(shutdown.run(|draining| axum::serve(listener, app).with_graceful_shutdown(draining)).await)
//! }
//!
//! // `async fn main() -> Result<Report, …>` gives the process the report's exit code.
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let report = serve().await.unwrap();
//! assert_eq!(report.exit_code(), 0);
//! assert!(report.hooks()[0].is_done());
//!
//! // Phases that do not fit into the budget are refused where they are set, and not found out by a SIGKILL.
//! let error = Shutdown::builder().drain(Duration::from_secs(30)).build().unwrap_err();
//! assert!(error.to_string().starts_with("the shutdown may take 35.6s, its budget is 28s: "));
//! # });
//! ```
//!
//! It does not accept connections, retire idle ones, or speak to HTTP/2 clients: that is a server's part, and stock
//! `axum::serve` closes idle connections the moment it drains, with what may just have been sent on them. It does not
//! answer probes: a health check reads the phase from [`ShutdownHandle::watch`]. It refuses no request.
//!
//! # Phases
//!
//! | phase | begins | ends | meanwhile |
//! |---|---|---|---|
//! | serving | [`run`](Shutdown::run) is called | a signal, a [trigger](ShutdownHandle::trigger), or the server's end | |
//! | lame duck | at once | when probes have noticed and requests have ceased, after [`lame_duck`](ShutdownBuilder::lame_duck), or when the server ends | it serves, and HTTP/1 responses ask clients to leave |
//! | draining | then | when the server and all tasks have ended and nothing is in flight, or after [`drain`](ShutdownBuilder::drain) | [`draining`](ShutdownHandle::draining) has resolved: nothing is accepted |
//! | closing | if the time to drain was not enough | when all is finished after all, or after 500 ms | what ends now unfinished was cut |
//! | cleanup | the server's future is dropped | after the last hook | the last tasks end, the hooks run |
//! | stopped | then | with the process | |
//!
//! One event is logged for each, and one for each request (32 at most), task and hook that was cut, with its names as
//! fields: `request_id`, `http.request.method`, `http.route`, `age_seconds` and `stage` of a request. The [`Report`] has how long
//! each phase took, what was cut, by name, and what became of the hooks. A zero `lame_duck` leaves that phase out.
//!
//! # The lame duck's end
//!
//! Between its [least](ShutdownBuilder::lame_duck_min) (1 s) and its [most](ShutdownBuilder::lame_duck) (5 s) it ends as
//! soon as three probes have been told that the process is not ready **and** no new request has come for a second.
//! Whoever answers probes [notes](macadam_core::PhaseWatch::note_probe) them; macadam-health does.
//!
//! Neither is enough alone. A balancer that knows may not have acted, so probes do not end it while requests come. And
//! quiet alone does not: who has no probes cannot know that anybody has noticed, and a service that is called once in
//! ten seconds is quiet most of the time; closing its door then would refuse the next call. So without probes it takes
//! its most. Three is what Kubernetes and HAProxy wait for; a balancer that waits for more, or a second balancer that
//! asks more seldom than the first, is what the least is for. Whoever can ask `/readyz` can be one of the three, and takes
//! no more from anybody than the time between the least and the most.
//!
//! A request is what comes through the [layer](DrainLayer), on old connections as on new ones. A connection alone is
//! none: load balancers also open one to see whether they can.
//!
//! # What goes on for ever
//!
//! Some responses have no end of their own, and would hold a drain to its limit. The response says itself which those
//! are; nothing that its client sent is asked.
//!
//! | | in the drain, at its turn |
//! |---|---|
//! | an event stream, `multipart/x-mixed-replace` | its body ends: with the last chunk in HTTP/1.1, with END_STREAM in HTTP/2 |
//! | gRPC that goes on | trailers with status 14, UNAVAILABLE |
//! | an upgraded connection (101, or a CONNECT) | its handler is told, by [`Upgraded::turn`] |
//! | anything else of no known end, gRPC-Web too | nothing; its handler waits for a [turn](ShutdownHandle::turn) of its own, or makes its stream end [`until_draining`](UntilDraining::until_draining) |
//! | a stream with [`Finite`] in its extensions | nothing: it has the time to drain, as any response |
//!
//! **Turns** begin with draining, and come in the order in which the streams began: 200 a second, or as many more as it
//! takes to be through in the first half of the time to drain. Ended all at once, their clients would all be back at once,
//! at the instances that are left. What begins in the drain has its turn too, and after its first half everybody has.
//!
//! **At its turn** a stream hands out the frames that it has ready, 64 of them at the most, and ends where it would wait.
//! So the end lies between two frames that the handler handed out, never in one; an event of several frames is cut in
//! two only if its handler waits in its middle, and a client of event streams drops half an event, by the specification. A
//! body that nobody reads is not polled, and so does not end: its client has the time to drain.
//!
//! **A gRPC call with one answer** has the head of a stream. It is taken for one when it has to wait after its head, or
//! hands out a second frame; then it is left alone for 5 s, since most gRPC streams have an end of their own, but no
//! longer than a quarter of the time to drain. With the default lame duck what began before the signal is older than
//! that.
//!
//! Those that were ended have finished: their outcome says so, they were not cut, and
//! [`Report::streams_ended`] says how many they are. A stream that does not wait costs what any response does; one that
//! does is entered into a list once and left once, whatever its frames, and one task with one timer goes through that.
//!
//! No layer sees what becomes of a connection after its 101: that leaves the table of those in flight with its head. A
//! handler therefore holds an [`Upgraded`] for it, as this one of axum's:
//!
//! ```
//! # use std::time::Duration;
//! # use axum::{Extension, extract::{State, ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code}}, response::Response};
//! # use macadam_core::RequestContext;
//! # use macadam_graceful_shutdown::ShutdownHandle;
//! # use tokio::time::timeout;
//! async fn ws(
//!     State(shutdown): State<ShutdownHandle>,
//!     Extension(request): Extension<RequestContext>,
//!     upgrade: WebSocketUpgrade,
//! ) -> Response {
//!     // Before the answer: a drain that begins now has to know of it.
//!     let mut connection = shutdown.upgraded(Some(&request));
//!     upgrade.on_upgrade(async move |mut socket| {
//!         tokio::select! {
//!             () = serve(&mut socket) => {}
//!             () = connection.turn() => {
//!                 let close = CloseFrame { code: close_code::AWAY, reason: "the service is shutting down".into() };
//!                 let _ = socket.send(Message::Close(Some(close))).await;
//!                 // The client answers, if it is there: until then its connection is waited for.
//!                 let answered = async { while let Some(Ok(_)) = socket.recv().await {} };
//!                 let _ = timeout(Duration::from_secs(2), answered).await;
//!             }
//!         }
//!         drop(connection);
//!     })
//! }
//! # async fn serve(socket: &mut WebSocket) {}
//! # axum::Router::<ShutdownHandle>::new().route("/ws", axum::routing::any(ws));
//! ```
//!
//! One that is held beyond the drain was cut, and is in the report by the name of its request. Without an `Upgraded` the
//! drain knows of the connection only what the server does: stock `axum::serve` nothing, macadam-serve that it is there.
//!
//! # Clocks
//!
//! Each phase's clock runs from its beginning. The **budget** runs from the beginning of the shutdown to the end of
//! the process, also after `run` has returned: a runtime that is dropped waits for blocked workers and for blocking
//! tasks, for ever if need be. A thread with a runtime of its own keeps all of these times, and takes the signals; so
//! they hold although every worker of the service is blocked. When the budget is over it says on the standard error
//! and in the log what is stuck, and exits.
//!
//! All of this has to fit: lame duck, drain, closing, the longest chain of hooks, and 100 ms for the exit. A hook is
//! promised its whole limit, so hooks are not squeezed. A `drain` that was set is not either: if it does not fit,
//! [`build`](ShutdownBuilder::build) fails. The default drain is what the rest leaves, 20 s at most and 1 s at least:
//! with the other defaults (5 s of 28 s) and three hooks of 2 s that wait for each other, 16.4 s.
//!
//! # Hooks
//!
//! A [`Hook`] begins with cleanup, [with the lame duck](Hook::at_lame_duck), [with draining](Hook::at_draining) or
//! [after all others](Hook::last), and [after those](Hook::after) that it names. What does not wait for each other runs
//! at the same time, so the budget has room for the longest chain and not for the sum. A hook that fails, panics or
//! hangs keeps no other from running: one that waits for it begins when it has ended, or was cut at its limit.
//!
//! # Tasks
//!
//! What a service does besides answering requests is spawned by [`ShutdownHandle::spawn`], under a name. Such a task ends
//! when [`draining`](ShutdownHandle::draining) resolves, and the drain waits for it as for a request: until the drain's
//! end, or until a [limit](TaskBuilder::limit) of its own. What requests hand something to ends
//! [with cleanup](TaskBuilder::until_cleanup) instead, before the hooks. A task whose time is over is aborted, and named
//! as cut; one that panics is logged at once.
//!
//! # Signals
//!
//! | signal | |
//! |---|---|
//! | SIGTERM, SIGINT | the first begins the shutdown, or joins one that began by itself; another one, or the same one 100 ms later, exits at once |
//! | SIGHUP | runs what was added by [`on_reload`](ShutdownBuilder::on_reload); with nothing added it is left alone |
//!
//! The same one again within 100 ms of the first is that one, delivered twice: to the whole process group, and by a wrapper
//! in it that passes on what it gets.
//!
//! They are taken from the beginning of [`run`](Shutdown::run) on. Before, SIGTERM ends the process as it always did;
//! but the first process of a container ignores it then, so whoever has much to do before it serves does that within
//! `run`.
//!
//! # systemd
//!
//! With the feature `systemd` and `ShutdownBuilder::systemd(true)`, where `NOTIFY_SOCKET` is set (`Type=notify` or
//! `notify-reload`), and at the cost of an environment variable where it is not:
//!
//! | when | what systemd is told |
//! |---|---|
//! | serving | `READY=1` |
//! | each phase | `STATUS=` with its name, and how many requests are in flight |
//! | the shutdown begins, and with it the budget | `STOPPING=1`, once |
//! | from then on | `EXTEND_TIMEOUT_USEC=` for 10 s at a time, again after 5 s, to a second after the budget and no more: `TimeoutStopSec=` may be shorter than the budget |
//! | SIGHUP | `RELOADING=1` with `MONOTONIC_USEC=`, and `READY=1` when it is done; with nothing to reload as well |
//! | each half of `WATCHDOG_USEC` | `WATCHDOG=1`, by a task of the service's runtime: one that is blocked is silent, and systemd ends it |
//!
//! A thread of its own says it, since systemd may take its time to read. The socket is a path: abstract ones, which
//! systemd has not used for services for years, are not known to the library underneath.
//!
//! # Exit codes
//!
//! | code | |
//! |---|---|
//! | 0 | nothing was cut, every hook is done |
//! | 1 | a second signal: the process exits at once, and says what it cut |
//! | 70 | a hook failed, panicked or was cut at its limit; a task panicked; or the server failed |
//! | 75 | requests, connections or tasks were cut; or the process did not end within the budget |
//!
//! # Ordering
//!
//! Outside: what gives the request its id, so that the in-flight table has names, and what answers probes, which
//! should not hold a shutdown up. Inside: whatever may wait, shed, time out or catch a panic, so that waiting counts
//! as in flight, and what those layers answer asks the client to leave as well.
//!
//! Names need a [`RequestContext`](macadam_core::RequestContext), which a layer outside has to have made. A request
//! without one is counted and drained like any other.
//!
//! A layer outside that compresses event streams sees their end as any other; one inside makes frames of its own.
//!
//! # In a test
//!
//! `signals(false).reaper(false)`: the test's process then stays its own.
//!
//! # Differences from its peers
//!
//! tower-http has no such layer. `axum::serve(..).with_graceful_shutdown(signal)` waits for its connections without a
//! limit, has no lame duck, and returns to a `main` whose runtime may never be dropped. axum-server and
//! hyper-util's `GracefulShutdown` add a limit, in the runtime that may be blocked. tokio-graceful-shutdown orders
//! subsystems, and knows neither requests nor the process' end. tokio-util's `TaskTracker` waits for tasks, and a
//! `CancellationToken` tells them; names, limits and panics are left to its user. None of them says what was cut.

mod builder;
mod count;
mod course;
mod error;
mod handle;
mod hooks;
mod ledger;
mod phases;
mod process;
mod reason;
mod report;
mod requests;
mod run;
mod server_notes;
mod streams;
mod tasks;

pub use self::{
    builder::ShutdownBuilder,
    error::ConfigError,
    handle::{Draining, ShutdownHandle},
    hooks::{Hook, HookEnd, HookReport},
    phases::LameDuckEnd,
    process::{GracePeriod, GracePeriodError},
    reason::Reason,
    report::Report,
    requests::{CutRequest, DrainBody, DrainFuture, DrainGuard, DrainLayer, DrainService, Finite},
    run::Shutdown,
    streams::{EndsAtTurn, Turn, UntilDraining, Upgraded},
    tasks::{LostTask, TaskBuilder},
};
