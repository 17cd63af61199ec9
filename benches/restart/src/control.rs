//! The control: stock axum, which stops as its documentation says, by SIGTERM.
//!
//! Its listener has `SO_REUSEPORT`, so that instances can overlap. What it answers has the shape of what
//! `examples/torture` answers.

use std::{io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::Query,
    routing::{get, post},
    serve::ListenerExt,
};
use macadam_serve::Listen;
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Deserialize)]
struct For {
    ms: u64,
}

/// Serves until SIGTERM, and then as long as axum does.
#[tokio::main]
pub(crate) async fn serve(address: SocketAddr) -> io::Result<()> {
    let app = Router::new()
        .route("/context", get(async || "a short answer"))
        .route(
            "/io",
            get(async |Query(time): Query<For>| {
                tokio::time::sleep(Duration::from_millis(time.ms)).await;
                "ok"
            }),
        )
        .route("/upload", post(async |body: Bytes| body.len().to_string()))
        .route("/readyz", get(async || "ok"));
    let listener = Listen::new(address).reuse_port(true).bind()?.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let mut terminate = signal(SignalKind::terminate())?;
    println!("serving on http://{address}");
    let told = async move {
        terminate.recv().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(told).await
}
