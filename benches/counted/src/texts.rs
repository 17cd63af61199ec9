//! What it takes to write all metrics down.
//!
//! A table of its own, since a pass takes a thousand times as long as one of the others.

use std::{future::ready, hint::black_box, pin::pin, task};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Empty;
use macadam_core::{RequestContext, Route};
use macadam_telemetry::{Exposition, Format, TelemetryLayer};
use tower::{Layer, Service, service_fn};

use crate::{callgrind::Cost, cases::Case};

pub(crate) const TEXTS: &[Case] = &[Case {
    // Of three statuses, and an event stream. 200 of them are 13 million instructions, which are over within a millisecond. How many
    // digits the durations have differs from run to run.
    name: "the metrics of a route, as text",
    beside: None,
    ceiling: Some(Cost { instructions: 71_000, atomics: 1 }),
    run: texts,
}];

fn texts(times: u32) {
    let (layer, handle) = TelemetryLayer::new().pair();
    for number in 0..ROUTES {
        let route = Route::intern(&format!("/customers/{{customer}}/orders/{{order}}/{number}"));
        for (status, content_type) in [
            (StatusCode::OK, "text/plain"),
            (StatusCode::NOT_FOUND, "text/plain"),
            (StatusCode::INTERNAL_SERVER_ERROR, "text/plain"),
            (StatusCode::OK, "text/event-stream"),
        ] {
            let mut service = layer.layer(service_fn(|request: Request<Empty<Bytes>>| {
                RequestContext::get(&request).expect("it was made").set_route(route);
                let response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
                ready(response.body(Empty::<Bytes>::new()))
            }));
            let call = pin!(service.call(Request::new(Empty::new())));
            drop(call.poll(&mut task::Context::from_waker(task::Waker::noop())));
        }
    }
    let exposition = Exposition::new().requests(handle);
    for _ in 0..times / ROUTES {
        black_box(exposition.text(Format::OpenMetrics));
    }
}

/// Divides the number of passes.
const ROUTES: u32 = 200;
