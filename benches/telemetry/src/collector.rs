//! The processor time of a request while the collector is healthy, dead, or hangs.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
    time::Duration,
};

use http::StatusCode;
use macadam_core::Route;
use macadam_telemetry::{Resource, TelemetryLayer, otel_0_33::Sampling, otlp::Otlp};
use opentelemetry::trace::TracerProvider;
use rustix::time::{ClockId, clock_gettime};
use tower::Layer;
use tracing::{Dispatch, dispatcher::with_default};
use tracing_subscriber::{layer::SubscriberExt, registry};

use crate::{
    median,
    requests::{send, service},
};

pub(crate) const CHILD: &str = "requests-exported-to";

/// Each is a process of its own, and they take turns.
pub(crate) fn table() {
    let healthy = listener();
    let hanging = listener();
    let dead = address(&listener());
    let kinds = [("healthy", address(&healthy)), ("dead", dead), ("hanging", address(&hanging))];
    // It ends with this process, as does the one that hangs: there the kernel accepts, and nobody answers.
    thread::spawn(move || {
        for stream in healthy.incoming().flatten() {
            thread::spawn(|| answer(stream));
        }
    });
    let mut nanos = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for ((_, to), nanos) in kinds.iter().zip(&mut nanos) {
            nanos.push(measured(to));
        }
    }
    let nanos = nanos.map(median);
    println!("{:<60} {:>12} {:>16}", "all is exported, to a collector that is", "ns of CPU", "of healthy");
    for ((name, _), one) in kinds.iter().zip(nanos) {
        println!("{name:<60} {one:>12.0} {:>16.3}", one / nanos[0]);
    }
    drop(hanging);
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

fn address(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().expect("it has one"))
}

/// Takes whatever comes.
fn answer(stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line).ok()? > 2 {
            if let Some(said) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = said.trim().parse().ok()?;
            }
            line.clear();
        }
        if line.is_empty() {
            return None;
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

fn measured(to: &str) -> f64 {
    let program = env::current_exe().expect("a running program has a path");
    let output = Command::new(program).args([CHILD, to]).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("it says a number")
}

/// Two threads of requests, of which each has a span and an access line; prints the nanoseconds that one took the process.
pub(crate) fn child(to: &str) {
    let variable = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(to.to_owned()),
        "OTEL_METRIC_EXPORT_INTERVAL" | "OTEL_BSP_SCHEDULE_DELAY" => Some("100".to_owned()),
        _ => None,
    };
    let otlp =
        Otlp::from_variables(Resource::new("bench", None), variable).expect("it is right").expect("it is on");
    let (layer, handle) = TelemetryLayer::new().pair();
    let exported = otlp.requests(handle).start().expect("a thread");
    let sampling = Sampling::named("always_on", "").expect("a sampler");
    let provider = sampling.provider().with_span_processor(exported.spans()).build();
    let spans = sampling.layer(provider.tracer("bench"));
    let subscriber = Dispatch::new(registry().with(spans).with(exported.logs()));
    let requests = |times: usize| {
        with_default(&subscriber, || {
            let mut service = layer.layer(service(Route::intern("/one"), StatusCode::OK, "text/plain"));
            (0..times).for_each(|_| send(&mut service));
        });
    };
    requests(WARM);
    let before = spent();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| requests(REQUESTS / 2));
        }
    });
    println!("{}", (spent() - before).as_nanos() / REQUESTS as u128);
}

/// Of processor time, by this process.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("it is not negative")
}

const ROUNDS: usize = 7;
const WARM: usize = 10_000;
const REQUESTS: usize = 400_000;
