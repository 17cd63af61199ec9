//! Two threads on one route.

use std::{hint::black_box, sync::Barrier, thread};

use http::StatusCode;
use macadam_core::Route;
use macadam_telemetry::TelemetryLayer;
use tokio::time::Instant;
use tower::Layer;

use crate::{
    median,
    requests::{send, service},
};

/// How much more two threads do than one, of each kind of work. They take turns, so that what else the machine does
/// meanwhile is every kind's to bear.
pub(crate) fn table() {
    let layer = TelemetryLayer::new();
    let bare = || service(Route::intern("/one"), StatusCode::OK, "text/plain");
    let context = || {
        let mut service = bare();
        (0..REQUESTS).for_each(|_| send(&mut service));
    };
    let telemetry = || {
        let mut service = layer.layer(bare());
        (0..REQUESTS).for_each(|_| send(&mut service));
    };
    let kinds: [(&str, &(dyn Fn() + Sync)); 3] = [
        ("arithmetic", &arithmetic),
        ("requests with a context", &context),
        ("requests with telemetry, on one route", &telemetry),
    ];
    let mut scales = kinds.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for ((_, work), scales) in kinds.iter().zip(&mut scales) {
            scales.push(rate(2, work) / rate(1, work));
        }
    }
    let scales = scales.map(median);
    println!("{:<60} {:>12} {:>16}", "two threads", "times one", "of arithmetic");
    for ((name, _), scale) in kinds.iter().zip(scales) {
        println!("{name:<60} {scale:>12.3} {:>16.3}", scale / scales[0]);
    }
}

/// How often so many threads together do this a second.
fn rate(threads: usize, work: &(dyn Fn() + Sync)) -> f64 {
    let start = Barrier::new(threads);
    let one = || {
        start.wait();
        let began = Instant::now();
        work();
        1.0 / began.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        running.into_iter().map(|thread| thread.join().expect("it ends")).sum()
    })
}

/// Touches no memory.
fn arithmetic() {
    let mut number = black_box(0x9E37_79B9_7F4A_7C15_u64);
    for _ in 0..STEPS {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
    }
    black_box(number);
}

const ROUNDS: usize = 101;
/// Either takes some 20 ms.
const REQUESTS: usize = 50_000;
const STEPS: usize = 10_000_000;
