//! Load shedding that keeps its goodput: a gate that finds out by itself how much the service can take, and refuses the
//! rest early.
//!
//! There is nothing to tune. There is one gate a layer, made in its constructor: the twenty routes under a layer share
//! one limit.
//!
//! ```
//! use axum::{Router, routing::get};
//! use http::{Request, StatusCode};
//! use macadam_load_shed::LoadShedLayer;
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // `adaptive()` in a service; a limit of one here, so that there is something to see.
//! let (shed, gate) = LoadShedLayer::new(1)?.queue(0).pair();
//! let app: Router = Router::new().route("/", get(async || "hello")).layer(shed);
//! let request = || Request::get("/").body(axum::body::Body::empty());
//!
//! // A response holds its slot until its body is over ...
//! let first = app.clone().oneshot(request()?).await?;
//! assert_eq!(first.status(), StatusCode::OK);
//! assert_eq!(gate.in_flight(), 1);
//!
//! // ... and who finds neither a slot nor a place in the queue is refused.
//! let second = app.clone().oneshot(request()?).await?;
//! assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
//! let seconds: u32 = second.headers()["retry-after"].to_str()?.parse()?;
//! assert!((1..=3).contains(&seconds));
//!
//! drop(first);
//! assert_eq!(app.oneshot(request()?).await?.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```
//!
//! # In an incident
//!
//! What the [handle](LoadShedHandle)'s numbers say at night, in the order in which to look at them:
//!
//! | you see | it means | do |
//! |---|---|---|
//! | `refused_total` grows with `reason="lag"`, `lag_seconds` above the target, in flight far below the limit | handlers compute, or block, without yielding: the CPU is what is short | scale out, or move the work to `spawn_blocking`; the limit has nothing to do with it |
//! | `reason="queue-full"` or `"queue-wait"`, in flight equal to the limit | what is behind the handlers is full: a pool, a database, a lock | look there; the limit stands at what it can take, so a higher one would only make everybody wait |
//! | the same, and the limit is much lower than it was | what is behind the handlers takes less than it did | find out what became slow; the limit comes back with it within a second or so |
//! | the limit at 1, `ended_total{use="bad"}` grows and `"good"` does not | everything that is admitted times out further down, or fails after a while | this is an outage behind the service, not a load |
//! | `reason="criticality"`, `threshold` below 512 | less important requests make room, as they should | nothing, if it is only those |
//! | `reason="tenant"`, 429 | one tenant has more than its share | talk to it; the others do not notice |
//! | `reason="deadline"` | callers bring deadlines that cannot be met here | look at their timeouts, and at the response time |
//! | `in_flight{phase="stream"}` stands at [`max_streams`](LoadShedLayer::max_streams), `phase="slot"` grows | more streams, or clients that do not read, than there is room for: they hold slots now | raise `max_streams` if the memory is there, else look who they are |
//! | `reason="pressure"` | memory, or a signal of your own | look at the memory; scale out |
//! | nothing is refused, and clients see errors | it is not the gate | |
//!
//! To take the gate out of the way, [`set_mode`](LoadShedHandle::set_mode) it to [`Mode::DryRun`]: it goes on counting.
//!
//! # How it finds the limit
//!
//! Every five milliseconds, while anything is in flight, a task looks at the gate. From what has been completed it knows
//! the throughput, and by Little's law the response time; no request is timed. The [law](limit::Knee) tries a little
//! more and a little less concurrency now and then, weighs by what it saw what the curve of the throughput may be, and
//! goes where the least concurrency gives the most throughput. It begins with 64, and doubles that while requests take hardly
//! longer than the first few did and each doubling is of use. In an overload that takes it some two tenths of a
//! millisecond, twenty times a second at the most; else nothing.
//!
//! It goes by nothing but what was measured of late. A law that goes by the response time in relation to the best it has
//! ever seen, as Vegas and Gradient do, takes a service that became slow for an overload, and after an hour of overload
//! takes that for normal; what came of them here stands in `docs/load-shed`. They can be had all the same, with
//! [`with`](LoadShedLayer::with).
//!
//! # In flight
//!
//! A request is in flight from its admission until the last frame of its response is handed on, the response fails,
//! or either is dropped. What goes on without doing work has no slot, but one of the [streams'](LoadShedLayer::max_streams),
//! of which there are many:
//!
//! | what | from when on |
//! |---|---|
//! | an event stream (`text/event-stream`, `multipart/x-mixed-replace`) | its head |
//! | a gRPC response whose body goes on | 100 ms after its head, or, in HTTP/1, its first frame |
//! | a response whose client does not read it | when it has waited for its client for 100 ms longer than its client for it |
//! | a request that waits for its own body, where [serve](https://docs.rs/macadam-serve) says so in the context | 100 ms after it began to wait |
//!
//! Those 100 ms are counted in looks, one in 10 ms, and so may be 110. A body that is asked for a frame and has none works
//! on it, for all the gate knows, and keeps its slot for as long as it works for longer than it waits: a large export from
//! a database counts as the load that it is, and the same export to somebody who reads a little now and then does not.
//!
//! Who would be a stream and finds no room among them keeps its slot until there is. Its handler has answered, so there is
//! nobody left to refuse, and what was admitted is not cut short. At the worst the streams have filled the slots too, and
//! requests are refused for it; there are never more of both together than the two limits.
//!
//! An upgrade (101, or a 2xx to `CONNECT`) is over with its head. What becomes of its connection then is between the server
//! and the handler, and hyper lets nobody in between; a handler that wants it counted and limited takes a
//! [place](LoadShedHandle::open_stream) among the streams along.
//!
//! # The queue
//!
//! What finds no slot waits, and is handed the slot that a release or a higher limit frees: one slot, one waiter, and no
//! newcomer overtakes it. Who waited longest is first. If somebody has waited for more than 20 ms all through the last
//! 100 ms, the queue is no burst but an overload (CoDel's rule), and who came last is first, since he can still be in
//! time; after a second of it the queue is cut short, so that a refusal comes at once. A waiter whose client goes away
//! leaves the queue at once.
//!
//! The clock of a wait runs from the call to the admission, and ends at [`max_wait`](LoadShedLayer::max_wait) or at the
//! request's [deadline](macadam_core::RequestContext::deadline), whichever is earlier. A handler never starts after its
//! deadline in a queue: it is looked at again when the slot is there. A wait that could only end after the deadline is
//! refused at the door. Where an outer layer owns the request's timer, that one is asked; else a timer is armed when the
//! wait begins. What is admitted at once reads no clock.
//!
//! # Handlers that burn CPU
//!
//! They keep in flight at the number of workers, whatever the load, so no limit sees them; the queue is the executor's.
//! The same task goes through that queue: if its turn has come late for a tenth of a second, by more than
//! [`target_lag`](LoadShedLayer::target_lag), then of what has become ready only as much is admitted as can be done in
//! some fifteen milliseconds, and the rest is refused before the executor looks for more.
//!
//! A gate that serves several runtimes at once knows the lag of the first one that called it.
//!
//! # Rejections
//!
//! | condition | status | headers | kind | `reason` |
//! |---|---|---|---|---|
//! | no slot, and no place in the queue | 503 (gRPC: 14) | `Retry-After` | `overloaded` | `queue-full` |
//! | no slot in the longest wait there is | 503 (gRPC: 14) | `Retry-After` | `overloaded` | `queue-wait` |
//! | what matters more needs the room | 503 (gRPC: 14) | `Retry-After` | `overloaded` | `criticality` |
//! | the executor is late | 503 (gRPC: 14) | `Retry-After` | `overloaded` | `lag` |
//! | memory, or another [signal](LoadShedLayer::pressure) | 503 (gRPC: 14) | `Retry-After` | `overloaded` | `pressure` |
//! | its [tenant](LoadShedLayer::tenant) has more than the others | 429 (gRPC: 8) | `Retry-After` | `over-share` | `tenant` |
//! | no slot before the request's deadline | 503 (gRPC: 4) | | `deadline` | `deadline` |
//!
//! In all cases the handler did not run, so the request can safely be sent again. `Retry-After` is a random number of
//! seconds, in a range that is the wider the more was refused, so that those refused together do not come back together.
//! The rejection stays in the response's extensions, the request's outcome is
//! [`Shed`](macadam_core::Outcome::Shed), and it is counted in the handle's [gauges](LoadShedHandle). The statuses
//! are [`overload_status`](LoadShedLayer::overload_status)'s and [`tenant_status`](LoadShedLayer::tenant_status)'s to change;
//! another form is [`on_rejection`](LoadShedLayer::on_rejection)'s.
//!
//! What is refused by the thousand is not logged one by one. While anything is refused, a gate logs one line a second at
//! the most, the first at once, as a `WARN` event of the target `macadam_load_shed`:
//!
//! ```text
//! WARN macadam_load_shed: shedding refused=812 reason.queue_full=790 reason.deadline=22 limit=16 in_flight=16 queued=12
//! ```
//!
//! `refused` counts since the line before, and so does `reason.*`, which is the `reason` of the table with `_` for `-`,
//! and only there if it is more than none. In a dry run the message is `would shed`. Nothing is logged for who is refused
//! outside a tokio runtime.
//!
//! # Ordering
//!
//! Inside what gives the request its id and its deadline, so that a refusal bears the one and a wait heeds the other;
//! inside what records requests, so that those refused are among them; and inside what catches panics, since a slot is
//! given back by the unwinding. Outside whatever does work: body limits, decompression, authentication against a
//! database, the router. A health check that has to be answered under load goes outside, or is
//! [exempt](LoadShedLayer::exempt).
//!
//! It works inside `Router::layer`, `route_layer` and on a `MethodRouter` too. There it counts what has been routed.
//!
//! # What it does not do
//!
//! - It does not infer load from a service that is not ready. `Poll::Pending` may be anything, such as the turn of
//!   another task.
//! - It limits no rate, and never cuts short what it has admitted.
//! - It does not tell a gRPC response that streams from one that does not, but by how long it takes: neither head says it.
//! - It does not read what is left of a refused request's body. HTTP/1 closes the connection over it where there is too
//!   much.
//!
//! # Differences from tower
//!
//! `ConcurrencyLimitLayer` makes a semaphore for each service, so that each route of a router has its own;
//! `GlobalConcurrencyLimitLayer` shares one. Both wait in `poll_ready`, which a router calls inside the request's future:
//! a queue without a bound or a clock. With `LoadShedLayer` around them, *every* `Pending` is a refusal, and an error
//! that a `HandleErrorLayer` must turn into a response. Their permits end with the response's head; here it is with its
//! body. A semaphore can be shrunk by its free permits alone, of which there are none when it matters; here a lower
//! limit binds at once.

mod alarm;
mod bodies;
mod budget;
mod door;
mod errand;
mod error;
mod future;
mod gate;
mod handle;
mod judge;
mod lag;
mod layer;
pub mod limit;
mod mode;
mod narrator;
mod pace;
mod permit;
mod policy;
mod pressure;
mod pulse;
mod queue;
mod reason;
mod refusal;
mod service;
mod shares;
mod sync;
mod upload;
mod waiting;

pub use self::{
    error::ConfigError,
    future::ResponseFuture,
    handle::LoadShedHandle,
    layer::LoadShedLayer,
    mode::Mode,
    permit::Permit,
    pressure::{CgroupMemory, Pressure},
    service::LoadShed,
};
