//! What a road measures, as Prometheus gets it from the admin listener.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use axum::{Router, body::Body, extract::Path, routing::get};
use http::{StatusCode, header::CONTENT_TYPE};
use macadam::{Check, Road, Settings};
use macadam_core::{MetricKind, Series};
use macadam_test::wire::{Client, Reply};
use tokio::{net::TcpStream, time::sleep};

async fn get_from(address: SocketAddr, path: &str) -> Reply {
    let mut client = Client::connect(address).await;
    client.get(path).await
}

/// A service on the road, with an admin listener, asked a few things.
async fn scraped() -> String {
    let mut settings = Settings::default();
    settings.listen = free();
    settings.admin.listen = Some(free());
    settings.telemetry.logs = macadam::settings::Logs::Off;
    settings.shutdown.lame_duck = Duration::ZERO;
    // The reaper would end the whole test process.
    settings.shutdown.budget = Duration::from_secs(3600);
    let (public, admin) = (settings.listen, settings.admin.listen.expect("it is set"));
    let check = Check::new("postgres", async || Ok::<(), std::io::Error>(()));
    let road = Road::builder("metrics").settings(settings).check(check).build().expect("it is a road");
    let shutdown = road.shutdown();
    let app = Router::new()
        .route("/orders/{id}", get(async |Path(id): Path<String>| id))
        .route("/events", get(async || ([(CONTENT_TYPE, "text/event-stream")], events())))
        .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR));
    let serving = tokio::spawn(async move { road.serve(app).await });
    while TcpStream::connect(public).await.is_err() {
        sleep(Duration::from_millis(2)).await;
    }
    for path in ["/orders/1", "/orders/2", "/broken", "/events", "/nowhere?secret"] {
        get_from(public, path).await;
    }
    let mut scraper = Client::connect(admin).await;
    scraper.send("GET /metrics HTTP/1.1\r\nhost: test\r\naccept: application/openmetrics-text\r\n\r\n").await;
    let scrape = scraper.response().await;
    assert_eq!(
        scrape.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let text = scrape.text().to_owned();
    shutdown.trigger("the test is over");
    let report = serving.await.expect("it does not panic").expect("it serves");
    assert_eq!(report.exit_code(), 0, "{report}");
    text
}

/// Of no length that anybody knows before.
fn events() -> Body {
    Body::from_stream(futures_util::stream::iter(["data: 1\n\n"].map(Ok::<_, std::io::Error>)))
}

fn free() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    listener.local_addr().expect("it has an address")
}

#[tokio::test]
async fn a_scrape_tells_of_each_route_and_each_figure_with_what_it_means() {
    let text = scraped().await;
    let count = |labels: &str| {
        let line = format!("http_server_request_duration_seconds_count{{{labels}}} ");
        text.lines().find_map(|found| found.strip_prefix(&line).map(str::to_owned))
    };
    let protocol = r#"network_protocol_version="1.1",url_scheme="http""#;
    let orders = format!(
        r#"http_request_method="GET",http_route="/orders/{{id}}",http_response_status_code="200",{protocol}"#
    );
    assert_eq!(count(&orders).as_deref(), Some("2"), "{text}");
    let broken = format!(
        r#"http_request_method="GET",http_route="/broken",http_response_status_code="500",error_type="500",{protocol}"#
    );
    assert_eq!(count(&broken).as_deref(), Some("1"));
    let nowhere = format!(r#"http_request_method="GET",http_response_status_code="404",{protocol}"#);
    assert_eq!(count(&nowhere).as_deref(), Some("1"));
    assert!(!text.contains("secret") && !text.contains("nowhere"));

    // A counter and a gauge whose names differ by `_total` alone are one name to Prometheus.
    let mut families: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, _)| name.trim_end_matches("_total"))
        .collect();
    let all = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), all, "{text}");

    let mut told = None;
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a name and its meaning");
            assert!(help.len() > 10, "{line}");
            told = Some(name);
        }
        if !line.starts_with('#') {
            let name = told.expect("a meaning stands before the figures");
            assert!(line.starts_with(name), "{line} is told as {name}");
        }
    }
    for name in ["process_memory_usage_bytes", "process_cpu_time_seconds_total", "tokio_runtime_workers"] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name}");
    }
    for part in ["load_shed_limit", "serve_connections", "shutdown_phase", "health_ready", "timeouts_expired"]
    {
        assert!(text.contains(&format!("# HELP macadam_{part}")), "{part}");
    }
}

/// The combinations of labels of each name in the text, as Prometheus would store them. A histogram's three names are one.
fn series(text: &str) -> BTreeMap<String, BTreeSet<Vec<(String, String)>>> {
    let histograms: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" histogram")).collect();
    let mut series = BTreeMap::<_, BTreeSet<_>>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (id, _) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = id.split_once('{').unwrap_or((id, "}"));
        let labels = labels.strip_suffix('}').expect("labels end").split_terminator("\",");
        let labels =
            labels.map(|label| label.trim_end_matches('"').split_once("=\"").expect("a name and a value"));
        let labels = labels.filter(|(label, _)| *label != "le");
        let stem = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let name = stem.filter(|stem| histograms.contains(stem)).unwrap_or(name);
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        series.entry(name.to_owned()).or_default().insert(labels);
    }
    series
}

#[tokio::test]
async fn a_road_exposes_what_the_list_of_metrics_says_and_nothing_else() {
    let text = scraped().await;
    let mut exposed = series(&text);
    let mut absent = Vec::new();
    for metric in Road::metrics() {
        let Some(series) = exposed.remove(metric.name) else {
            absent.push(metric.name);
            continue;
        };
        for (label, _) in series.iter().flatten() {
            assert!(metric.labels.contains(&label.as_str()), "{} has a label {label}", metric.name);
        }
        match metric.series {
            Series::AtMost(most) => assert!(series.len() <= most, "{metric:?}: {series:?}"),
            Series::Each("check") => assert_eq!(series.len(), 1, "{metric:?}: {series:?}"),
            other => panic!("how many series of {} are there? {other:?}", metric.name),
        }
        let stem = if metric.kind == MetricKind::Counter { metric.stem() } else { metric.name };
        assert!(text.contains(&format!("\n# TYPE {stem} {}\n", metric.kind.as_str())), "{metric:?}");
        if let Some(unit) = metric.unit() {
            assert!(text.contains(&format!("\n# UNIT {stem} {unit}\n")), "{stem} in {unit}");
        }
    }
    assert!(exposed.is_empty(), "not in the list: {:?}", exposed.keys());
    // No certificate, no log and no collector here, and a control group's memory only where there is such a group.
    let elsewhere = ["macadam_serve_tls_", "macadam_telemetry_", "macadam_cgroup_"];
    absent.retain(|name| !elsewhere.iter().any(|start| name.starts_with(start)));
    assert!(absent.is_empty(), "in the list, and not exposed: {absent:?}");
}

#[test]
fn no_two_metrics_have_one_name() {
    let metrics = Road::metrics();
    let stems: BTreeSet<_> = metrics.iter().map(macadam_core::Metric::stem).collect();
    assert_eq!(stems.len(), metrics.len());
}
