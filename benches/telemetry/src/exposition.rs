//! The text of 200 routes, and requests meanwhile.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use http::StatusCode;
use macadam_core::Route;
use macadam_telemetry::{Exposition, Format, TelemetryLayer};
use tokio::time::Instant;
use tower::Layer;

use crate::requests::{send, service};

pub(crate) fn table() {
    let (layer, handle) = TelemetryLayer::new().pair();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| fill(&layer));
        }
    });
    let exposition = Exposition::new().requests(handle);
    println!("{:<60} {:>12} {:>16}", "the text of 200 routes", "best", "median");
    for format in [Format::OpenMetrics, Format::Prometheus] {
        let mut took: Vec<_> = (0..TEXTS).map(|_| timed(|| drop(exposition.text(format)))).collect();
        took.sort_unstable();
        let name = format!("{format:?}, {} bytes", exposition.text(format).len());
        println!("{name:<60} {:>12.2?} {:>16.2?}", took[0], took[TEXTS / 2]);
    }
    println!("{:<60} {:>12} {:>16}", "a request, while another thread", "median", "of 1,000 one");
    for (name, meanwhile) in [
        ("looks at a flag", &(|| ()) as &(dyn Fn() + Sync)),
        ("writes that text again and again", &|| drop(exposition.text(Format::OpenMetrics))),
    ] {
        let took = requests_while(&layer, meanwhile);
        println!("{name:<60} {:>12.2?} {:>16.2?}", took[REQUESTS / 2], took[REQUESTS - REQUESTS / 1_000]);
    }
}

/// Three statuses of each route, and an event stream.
fn fill(layer: &TelemetryLayer) {
    for number in 0..ROUTES {
        let route = Route::intern(&format!("/customers/{{customer}}/orders/{{order}}/{number}"));
        for status in [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::INTERNAL_SERVER_ERROR] {
            send(&mut layer.layer(service(route, status, "text/plain")));
        }
        send(&mut layer.layer(service(route, StatusCode::OK, "text/event-stream")));
    }
}

/// How long requests take, from the shortest on.
fn requests_while(layer: &TelemetryLayer, meanwhile: &(dyn Fn() + Sync)) -> Vec<Duration> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Relaxed) {
                meanwhile();
            }
        });
        let mut service = layer.layer(service(Route::intern("/one"), StatusCode::OK, "text/plain"));
        let mut took: Vec<_> = (0..REQUESTS).map(|_| timed(|| send(&mut service))).collect();
        over.store(true, Relaxed);
        took.sort_unstable();
        took
    })
}

fn timed(run: impl FnOnce()) -> Duration {
    let began = Instant::now();
    run();
    began.elapsed()
}

const ROUTES: usize = 200;
const TEXTS: usize = 101;
const REQUESTS: usize = 1_000_000;
