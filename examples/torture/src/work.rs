//! Handlers that take time, each in a way of its own.

use std::{sync::Arc, time::Duration};

use axum::extract::{Query, State};
use serde::Deserialize;
use tokio::{sync::Semaphore, time::Instant};

/// `?ms=`: how long.
#[derive(Deserialize)]
pub(crate) struct For {
    ms: Option<u64>,
}

impl For {
    pub(crate) fn or_ms(&self, default: u64) -> Duration {
        Duration::from_millis(self.ms.unwrap_or(default))
    }
}

/// As a good handler does: the worker is free meanwhile.
pub(crate) async fn io(Query(time): Query<For>) -> &'static str {
    tokio::time::sleep(time.or_ms(20)).await;
    "ok"
}

/// Behind a pool, whose queue is nobody's but its own.
pub(crate) async fn pool(State(pool): State<Arc<Semaphore>>, Query(time): Query<For>) -> &'static str {
    let _slot = pool.acquire().await.expect("the pool is never closed");
    tokio::time::sleep(time.or_ms(10)).await;
    "ok"
}

/// Burns CPU: nothing else runs on the worker.
pub(crate) async fn spin(Query(time): Query<For>) -> &'static str {
    let started = Instant::now();
    while started.elapsed() < time.or_ms(2) {
        std::hint::spin_loop();
    }
    "ok"
}

/// Blocks a runtime worker, as a careless call of a synchronous library does.
pub(crate) async fn block(Query(time): Query<For>) -> &'static str {
    #[expect(clippy::disallowed_methods, reason = "that it blocks a worker is what this route is for")]
    std::thread::sleep(time.or_ms(1000));
    "ok"
}
