//! The thread that exports.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use opentelemetry_proto::{
    tonic::{
        collector::{
            logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse},
            metrics::v1::ExportMetricsServiceRequest,
            trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
        },
        common::v1::InstrumentationScope,
        metrics::v1::{ResourceMetrics, ScopeMetrics},
    },
    transform::{
        common::tonic::ResourceAttributesWithSchema, trace::tonic::group_spans_by_resource_and_scope,
    },
};
use prost::Message;
use tokio::{runtime, time::Instant};

use super::{
    Otlp, attribute,
    client::Courier,
    flush::Ear,
    logs,
    metrics::{self, Span},
    nanos,
    plan::Batches,
    queue::Queue,
    signal::Signal,
};

pub(super) fn start(otlp: Otlp) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    // Here and not there, so that a flush that is asked for next is heard.
    let ears =
        Signal::ALL.map(|signal| otlp.plan.has(signal).then(|| otlp.handle.shared.bell.ear(signal as usize)));
    let run = move || {
        logs::on_this_thread_export_nothing();
        runtime.block_on(export(otlp, ears));
    };
    thread::Builder::new().name("macadam-otlp".to_owned()).spawn(run).map(drop)
}

/// The signals do not wait for each other. It never ends: it is the process that does.
async fn export(otlp: Otlp, [to_metrics, to_spans, to_logs]: [Option<Ear>; 3]) {
    let Otlp { plan, resource, began, handle, requests, gauges } = otlp;
    let shared = &handle.shared;
    let resource = attribute::resource(&resource);

    let metrics = async {
        let (Some(metrics), Some(lost), Some(mut ear)) = (plan.metrics, &shared.metrics, to_metrics) else {
            return;
        };
        let mut courier = Courier::new(metrics.target, ear.asked.clone());
        loop {
            let flush = ear.listen(metrics.interval).await;
            let span = Span { from: nanos(began), to: nanos(SystemTime::now()) };
            let scope = ScopeMetrics {
                scope: Some(InstrumentationScope {
                    name: SCOPE.to_owned(),
                    version: VERSION.to_owned(),
                    ..Default::default()
                }),
                metrics: metrics::read(requests.as_ref(), &gauges, span),
                schema_url: String::new(),
            };
            let all = ResourceMetrics {
                resource: Some(resource.clone()),
                scope_metrics: vec![scope],
                schema_url: String::new(),
            };
            let message = ExportMetricsServiceRequest { resource_metrics: vec![all] };
            if courier.deliver(message.encode_to_vec().into(), metrics.patience).await.is_none() {
                lost.lose(1);
            }
            flush.into_iter().for_each(|flush| ear.done(flush));
        }
    };

    let spans = async {
        let (Some(batches), Some(queue), Some(ear)) = (plan.traces, &shared.spans, to_spans) else { return };
        let encode = |spans| {
            let attributes = opentelemetry_proto::tonic::Attributes(resource.attributes.clone());
            let resource = ResourceAttributesWithSchema { attributes, schema_url: None };
            let resource_spans = group_spans_by_resource_and_scope(spans, &resource);
            ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
        };
        let refused = |answer| {
            let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
            answer.partial_success.map_or(0, |partial| partial.rejected_spans)
        };
        send(batches, queue, ear, encode, refused).await;
    };

    let logs = async {
        let (Some(batches), Some(queue), Some(ear)) = (plan.logs, &shared.logs, to_logs) else { return };
        let encode = |records| {
            let resource_logs = vec![logs::messages(records, resource.clone())];
            ExportLogsServiceRequest { resource_logs }.encode_to_vec().into()
        };
        let refused = |answer| {
            let answer = ExportLogsServiceResponse::decode(answer).unwrap_or_default();
            answer.partial_success.map_or(0, |partial| partial.rejected_log_records)
        };
        send(batches, queue, ear, encode, refused).await;
    };

    tokio::join!(metrics, spans, logs);
}

/// Sends what waits in a queue: when there is a batch of it, when it has waited long enough, and when somebody wants a flush.
async fn send<T>(
    batches: Batches,
    queue: &Arc<Queue<T>>,
    mut ear: Ear,
    encode: impl Fn(Vec<T>) -> Bytes,
    refused: impl Fn(Bytes) -> i64,
) {
    let Batches { target, batch, delay, patience, .. } = batches;
    let mut courier = Courier::new(target, ear.asked.clone());
    let mut sent = Instant::now();
    loop {
        let flush = ear.listen(LOOK.min(delay)).await;
        // What comes in while a flush goes on is for the next.
        let mut left = queue.len();
        while left > 0 && (left >= batch || sent.elapsed() >= delay || flush.is_some()) {
            let taken = queue.take(batch.min(left));
            let count = taken.len();
            left = if count == 0 { 0 } else { left - count };
            let lost = match courier.deliver(encode(taken), patience).await {
                Some(answer) => u64::try_from(refused(answer)).unwrap_or_default(),
                None => count as u64,
            };
            if lost > 0 {
                queue.lose(lost);
            }
        }
        if left == 0 {
            sent = Instant::now();
        }
        flush.into_iter().for_each(|flush| ear.done(flush));
    }
}

const SCOPE: &str = "macadam-telemetry";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How often the thread looks into a queue, since nobody wakes it. One of 2,048 then has room for 20,000 a second.
const LOOK: Duration = Duration::from_millis(100);
