//! A service to be tortured: the road with all its defaults, and handlers that do what handlers should not.
//!
//! `cargo run -p torture`, then `curl -i 127.0.0.1:8080/io?ms=20`. Tests, benches and black-box checks drive it, so
//! what its routes do is a contract:
//!
//! | route | does |
//! |---|---|
//! | `GET /io?ms=20` | sleeps asynchronously, then `ok` |
//! | `GET /pool?ms=10` | the same behind a FIFO pool of `TORTURE_POOL` (16) slots, the stand-in for a database pool |
//! | `GET /spin?ms=2` | burns CPU without yielding |
//! | `GET /block?ms=1000` | sleeps on a runtime worker |
//! | `GET /stream?frames=10&every=100&bytes=1024` | a chunked body, a frame every so many ms |
//! | `GET /sse` | an endless event stream, an event a second; the road ends it in the drain |
//! | `GET /ws?deaf=false` | WebSocket echo, over HTTP/2 too; closed with 1001 at its turn in the drain, or deaf to that |
//! | `GET /bytes?n=1048576` | n bytes with Content-Length |
//! | `POST /upload` | reads the whole body, answers its length |
//! | `GET /panic` | panics |
//! | `GET /context` | JSON: `request_id`, `remaining_ms` (null without a deadline), `criticality` |
//! | `GET /chain?ms=20` | sleeps, then asks the same of the service at `TORTURE_NEXT` (`http://127.0.0.1:8081`), if that is set, and tells it what is left; JSON: `remaining_ms`, a list of what each one's handler had, the first one's first |
//! | `GET /chain/calls` | how often the handler of `/chain` was called |

mod chain;
mod request;
mod response;
mod work;

use std::sync::Arc;

use axum::{
    Router,
    extract::FromRef,
    routing::{any, get, post},
};
use macadam::{LoadShedHandle, Road, Settings, ShutdownHandle};
use tokio::sync::Semaphore;

use crate::chain::Chain;

/// What the handlers share.
#[derive(Clone, FromRef)]
struct Shared {
    pool: Arc<Semaphore>,
    chain: Chain,
    shutdown: ShutdownHandle,
    load_shed: LoadShedHandle,
}

#[tokio::main]
async fn main() -> Result<macadam::Report, macadam::Error> {
    let road =
        Road::builder("torture").build_info(macadam::build_info!()).settings(Settings::load()?).build()?;
    let slots = std::env::var("TORTURE_POOL").ok().and_then(|slots| slots.parse().ok()).unwrap_or(16);
    let pool = Arc::new(Semaphore::new(slots));
    let chain = Chain::to(std::env::var("TORTURE_NEXT").ok().as_deref());
    let shared = Shared { pool, chain, shutdown: road.shutdown(), load_shed: road.load_shed() };

    let app = Router::new()
        .route("/io", get(work::io))
        .route("/pool", get(work::pool))
        .route("/spin", get(work::spin))
        .route("/block", get(work::block))
        .route("/stream", get(response::stream))
        .route("/sse", get(response::sse))
        .route("/ws", any(response::ws))
        .route("/bytes", get(response::bytes))
        .route("/upload", post(request::upload))
        .route("/panic", get(request::panic))
        .route("/context", get(request::context))
        .route("/chain", get(chain::chain))
        .route("/chain/calls", get(chain::calls))
        .with_state(shared);
    road.serve(app).await
}
