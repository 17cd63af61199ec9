//! A peer's service: stock axum, and its layer on each route.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Query, State},
    handler::Handler,
};
use serde::Deserialize;
use tokio::{
    net::TcpListener,
    runtime::Builder,
    sync::Semaphore,
    time::{Instant, sleep},
};

use crate::arm::Arm;

/// Serves `/spin?ms=2` and `/pool?ms=20` behind `arm` with one worker, until it is killed.
///
/// # Errors
///
/// If the address is taken.
pub fn serve(arm: Arm, address: SocketAddr) -> io::Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        let pool = Arc::new(Semaphore::new(16));
        let app = Router::new()
            .route_service("/spin", arm.guard(spin.with_state(())))
            .route_service("/pool", arm.guard(wait.with_state(pool)));
        // As a task, since the thread that blocks on the runtime would be a second worker.
        tokio::spawn(async { axum::serve(listener, app).await }).await?
    })
}

/// `?ms=`: how long.
#[derive(Deserialize)]
struct For {
    ms: u64,
}

/// As `examples/torture` does it.
async fn spin(Query(time): Query<For>) -> &'static str {
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(time.ms) {
        std::hint::spin_loop();
    }
    "ok"
}

async fn wait(State(pool): State<Arc<Semaphore>>, Query(time): Query<For>) -> &'static str {
    let _slot = pool.acquire().await.expect("the pool is never closed");
    sleep(Duration::from_millis(time.ms)).await;
    "ok"
}
