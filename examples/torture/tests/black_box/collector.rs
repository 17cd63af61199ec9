//! What a collector gets of a process, to its last word, and what becomes of the process if there is none.

use std::{collections::HashSet, net::TcpListener, time::Duration};

use macadam_test::{Collector, wire::Client};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::any_value::Value,
    logs::v1::LogRecord,
    metrics::v1::{Metric, metric::Data, number_data_point::Value as Number},
};
use prost::Message;
use rustix::process::Signal;

use crate::process::{Exit, Torture, refused};

const QUICK: (&str, &str) = ("MACADAM_SHUTDOWN_LAME_DUCK", "0s");

/// A life of a service with these variables, in which it answers a few requests.
async fn life(endpoint: &str, more: &[(&str, &str)]) -> Exit {
    let torture = Torture::start(&[&[QUICK, ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)], more].concat()).await;
    let mut client = Client::connect(torture.public).await;
    for _ in 0..REQUESTS {
        assert_eq!(client.get("/io?ms=1&token=s3cret").await.status, 200);
    }
    torture.signal(Signal::TERM);
    torture.exit(Duration::from_secs(20)).await
}

fn decoded<M: Message + Default>(collector: &Collector, path: &str) -> Vec<M> {
    collector.came(path).into_iter().map(|body| M::decode(body).expect("it is the message")).collect()
}

fn said(record: &LogRecord) -> &str {
    match record.body.as_ref().and_then(|body| body.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_collector_gets_every_span_record_and_count_also_the_last() {
    let (collector, address) = Collector::start();
    // The log's filter is no matter of the traces, and lines have their ids whatever it says.
    let filter = ("RUST_LOG", "off,macadam::access=info,macadam::road=info,macadam_graceful_shutdown=info");
    let exit = life(&format!("http://{address}"), &[filter]).await;
    assert_eq!(exit.code, Some(0), "{}", exit.stdout);

    let traces: Vec<ExportTraceServiceRequest> = decoded(&collector, "/v1/traces");
    let scopes = traces.iter().flat_map(|batch| &batch.resource_spans).flat_map(|spans| &spans.scope_spans);
    let spans: Vec<_> = scopes.flat_map(|scope| &scope.spans).filter(|span| span.kind == 2).collect();
    assert_eq!(spans.len(), REQUESTS);
    assert!(spans.iter().all(|span| span.name == "GET /io"), "{spans:?}");

    let logs: Vec<ExportLogsServiceRequest> = decoded(&collector, "/v1/logs");
    let scopes = logs.iter().flat_map(|batch| &batch.resource_logs).flat_map(|logs| &logs.scope_logs);
    let records: Vec<_> = scopes.flat_map(|scope| &scope.log_records).collect();
    let ended: HashSet<_> = records
        .iter()
        .filter(|record| said(record) == "request ended")
        .map(|record| (&record.trace_id, &record.span_id))
        .collect();
    assert_eq!(ended, spans.iter().map(|span| (&span.trace_id, &span.span_id)).collect());
    for line in exit.stdout.lines().filter(|line| line.contains("shutdown")) {
        let message = records.iter().any(|record| line.contains(said(record)));
        assert!(message, "no record says {line}");
    }

    let metrics: Vec<ExportMetricsServiceRequest> = decoded(&collector, "/v1/metrics");
    let last = &metrics.last().expect("there is a reading").resource_metrics[0].scope_metrics[0].metrics;
    assert_eq!(counted(last, "http.server.request.duration"), REQUESTS as u64);
    assert_eq!(counted(last, "http.server.active_requests"), 0);
    assert_eq!(counted(last, "macadam.telemetry.dropped"), 0);
    assert!(counted(last, "process.memory.usage") > 1 << 20);
}

/// The sum of a metric's points.
fn counted(metrics: &[Metric], name: &str) -> u64 {
    let metric = metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}"));
    match metric.data.as_ref().expect("it has points") {
        Data::Histogram(histogram) => histogram.data_points.iter().map(|point| point.count).sum(),
        Data::Sum(sum) => sum
            .data_points
            .iter()
            .map(|point| match point.value {
                Some(Number::AsInt(value)) => value as u64,
                Some(Number::AsDouble(value)) => value as u64,
                None => 0,
            })
            .sum(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn without_a_collector_the_exit_takes_the_flushs_time_longer_and_is_no_failure() {
    let dead = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let hanging = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let [to_dead, to_hanging] =
        [&dead, &hanging].map(|listener| format!("http://{}", listener.local_addr().expect("it listens")));
    drop(dead);
    for endpoint in [to_dead, to_hanging] {
        let exit = life(&endpoint, &[("MACADAM_TELEMETRY_FLUSH_TIMEOUT", "700ms")]).await;
        assert_eq!(exit.code, Some(0), "{}", exit.stdout);
        let said = exit.stdout.matches("not all telemetry was sent").count();
        assert_eq!(said, 1, "{}", exit.stdout);
        let collector = endpoint.trim_start_matches("http://");
        for line in ["telemetry goes by OTLP: metrics, traces, logs to ", "the collector does not take"] {
            assert!(
                exit.stdout.lines().any(|told| told.contains(line) && told.contains(collector)),
                "{line}"
            );
        }
        assert!((700..5_000).contains(&exit.after.as_millis()), "{:?}", exit.after);
    }
}

#[tokio::test]
async fn nothing_is_sent_where_the_settings_say_so() {
    let (collector, address) = Collector::start();
    let exit = life(&format!("http://{address}"), &[("MACADAM_TELEMETRY_OTLP", "false")]).await;
    assert_eq!(exit.code, Some(0), "{}", exit.stdout);
    for path in ["/v1/metrics", "/v1/traces", "/v1/logs"] {
        assert!(collector.came(path).is_empty());
    }
}

#[tokio::test]
async fn what_this_build_cannot_send_is_told_at_the_start() {
    for (variables, cure) in [
        (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318")], "by `http://`"),
        (
            vec![
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ],
            "set it to `http/protobuf`",
        ),
        (
            vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector"), ("OTEL_TRACES_SAMPLER", "some")],
            "`traceidratio`",
        ),
    ] {
        let exit = refused(&variables).await;
        assert_ne!(exit.code, Some(0));
        assert_eq!(exit.stderr.trim_end().lines().count(), 1, "{}", exit.stderr);
        assert!(exit.stderr.contains(cure), "{}", exit.stderr);
    }
}

const REQUESTS: usize = 20;
