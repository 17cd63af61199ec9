//! The crates by hand, on stock axum: `cargo run -p plain-axum`, then `curl -i 127.0.0.1:8080/`.
//!
//! With a name behind it (`cargo run -p plain-axum -- timeouts`) it takes one crate alone: `request-id`, `telemetry`,
//! `timeouts`, `load-shed`, `graceful-shutdown` or `health`.

use std::{error::Error, future::ready, net::SocketAddr};

use macadam_graceful_shutdown::{Report, Shutdown};
use macadam_health::{Check, Health};
use plain_axum::{alone, app, stacked};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<Report, Box<dyn Error>> {
    let shutdown = Shutdown::builder().build()?;
    let health = Health::builder()
        .check(Check::new("always", || ready(Ok::<_, String>(()))))
        .phase(shutdown.handle().watch())
        .build()?;
    // Checks run until this is dropped, which is when the service has ended.
    let _checks = health.spawn();

    let app = match std::env::args().nth(1).as_deref() {
        None => stacked(app(), &health, &shutdown)?,
        Some("request-id") => alone::request_id(app()),
        Some("telemetry") => alone::telemetry(app()).0,
        Some("timeouts") => alone::timeouts(app()),
        Some("load-shed") => alone::load_shed(app())?,
        Some("graceful-shutdown") => alone::graceful_shutdown(app(), &shutdown),
        Some("health") => alone::health(app(), &health),
        Some(other) => return Err(format!("there is no crate {other:?} here").into()),
    };

    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 8080))).await?;
    tell(&format!("serving on http://{0}, try `curl -i http://{0}/`", listener.local_addr()?));
    Ok(shutdown.run(|draining| axum::serve(listener, app).with_graceful_shutdown(draining)).await)
}

#[expect(clippy::print_stdout, reason = "an example talks to whoever started it")]
fn tell(line: &str) {
    println!("{line}");
}
