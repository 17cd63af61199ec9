//! The log of a process, as whoever collects it sees it.

use std::{collections::HashSet, time::Duration};

use macadam_test::wire::Client;
use rustix::process::Signal;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};

use crate::process::{SERVICE, Torture, command};

const JSON: (&str, &str) = ("MACADAM_TELEMETRY_LOGS", "json");
const QUICK: (&str, &str) = ("MACADAM_SHUTDOWN_LAME_DUCK", "0s");

fn parsed(log: &str) -> Vec<Value> {
    let line = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    log.lines().map(line).collect()
}

fn messages<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"] == message).collect()
}

#[tokio::test]
async fn every_line_is_an_object_and_those_of_a_request_bear_its_ids_to_the_last() {
    let torture = Torture::start(&[JSON, QUICK]).await;
    let mut client = Client::connect(torture.public).await;
    let mut ids = Vec::new();
    for path in ["/io?ms=1&token=s3cret", "/panic", "/nowhere?sig=s3cret"] {
        let reply = client.get(path).await;
        ids.push(reply.header("x-request-id").expect("it is there").to_owned());
    }
    torture.signal(Signal::TERM);
    let exit = torture.exit(Duration::from_secs(10)).await;
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(!exit.stdout.contains("s3cret"), "{}", exit.stdout);

    let lines = parsed(&exit.stdout);
    for line in &lines {
        assert_eq!(line["service.name"], "torture");
        assert_eq!(line["service.instance.id"], lines[0]["service.instance.id"]);
        for name in ["timestamp", "severity", "message", "target"] {
            assert!(line[name].is_string(), "{line}");
        }
    }
    let ended = messages(&lines, "request ended");
    let of_requests: Vec<_> = ended.iter().map(|line| line["request_id"].as_str().unwrap()).collect();
    assert_eq!(of_requests, ids);
    let traces: HashSet<_> = ended.iter().map(|line| line["trace_id"].as_str().unwrap()).collect();
    assert_eq!(traces.len(), 3);
    assert_eq!(
        (&ended[0]["http.route"], &ended[0]["http.response.status_code"]),
        (&"/io".into(), &200.into())
    );
    assert_eq!((&ended[1]["error.type"], &ended[1]["severity"]), (&"panic".into(), &"INFO".into()));
    let panicked = messages(&lines, "the handler panicked");
    assert_eq!(panicked[0]["trace_id"], ended[1]["trace_id"]);
    assert_eq!(panicked[0]["severity"], "ERROR");
    // What the shutdown says last has been written too.
    let last = lines.last().unwrap();
    assert_eq!((&last["message"], &last["phase"]), (&"all is done".into(), &"stopped".into()));
}

#[tokio::test]
async fn a_log_that_nobody_reads_costs_lines_and_no_request_and_the_metrics_say_so() {
    let mut child = command(SERVICE, &[("TOKIO_WORKER_THREADS", "2"), JSON]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut public, mut admin) = (None, None);
    while public.is_none() || admin.is_none() {
        let line = timeout(Duration::from_secs(10), lines.next_line()).await.unwrap().unwrap().unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(['/', ' ', ',']).next());
        match address {
            Some(address) if line.contains("serving on") => public = Some(address.to_owned()),
            Some(address) if line.contains("admin on") => admin = Some(address.to_owned()),
            _ => {}
        }
    }
    // From here on nobody reads. More than the pipe and the queue hold: each line is more than 600 bytes.
    let mut client = Client::connect(public.as_deref().unwrap()).await;
    let some = format!("GET /io?ms=0 HTTP/1.1\r\nhost: test\r\nx-request-id: {}\r\n\r\n", "a".repeat(120))
        .repeat(100);
    for _ in 0..80 {
        client.send(&some).await;
        for _ in 0..100 {
            assert_eq!(client.response().await.status, 200);
        }
    }
    let mut admin = Client::connect(admin.unwrap()).await;
    assert_eq!(admin.get("/readyz").await.status, 200);
    let metrics = admin.get("/metrics").await;
    let dropped = metrics
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("macadam_telemetry_log_lines_dropped_total "));
    let dropped: f64 = dropped.expect("it is there").parse().unwrap();
    assert!(dropped > 0.0);

    // In one line or in several: the queue may have had room again for a moment before it stayed full.
    let told = tokio::spawn(async move {
        let mut told = 0.0;
        while told < dropped {
            let line = lines.next_line().await.unwrap().expect("the service runs");
            let line: Value = serde_json::from_str(&line).expect("no line is half there");
            if line["target"] == "macadam::logs" {
                told += line["lines"].as_f64().unwrap();
            }
        }
        told
    });
    let told = timeout(Duration::from_secs(10), told).await.unwrap().unwrap();
    assert_eq!(told, dropped, "and once somebody reads again, so does the log");
    child.kill().await.unwrap();
}

#[tokio::test]
async fn a_process_that_is_made_to_exit_has_logged_whom_it_cut_by_fields_of_their_own() {
    // Nobody is there; but there is a hook then.
    let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let torture = Torture::start(&[JSON, collector]).await;
    let mut client = Client::connect(torture.public).await;
    let request = "GET /stream?frames=1000&every=10 HTTP/1.1\r\nhost: t\r\nx-request-id: endless\r\n\r\n";
    client.send(request).await;
    client.some().await.unwrap();
    let mut admin = Client::connect(torture.admin).await;
    torture.signal(Signal::TERM);
    while admin.get("/readyz").await.status == 200 {}
    // Another one, which insists at once.
    torture.signal(Signal::INT);
    let exit = torture.exit(Duration::from_secs(5)).await;
    assert_eq!(exit.code, Some(1), "{}", exit.stderr);
    let lines = parsed(&exit.stdout);
    let told = |message| *messages(&lines, message).last().expect(message);
    let cut = told("a request was cut");
    let fields = ["severity", "request_id", "http.request.method", "http.route", "stage"];
    assert_eq!(fields.map(|name| &cut[name]), ["ERROR", "endless", "GET", "/stream", "responding"], "{cut}");
    assert!(cut["age_seconds"].is_f64(), "{cut}");
    // Of a hook its name, and nothing before it.
    let hook = told("a hook was cut");
    assert_eq!((&hook["hook"], &hook["end"]), (&"flush telemetry".into(), &"not begun".into()), "{hook}");
}

#[tokio::test]
async fn the_access_line_can_be_left_out() {
    let torture = Torture::start(&[JSON, QUICK, ("MACADAM_TELEMETRY_ACCESS", "off")]).await;
    assert_eq!(Client::connect(torture.public).await.get("/io?ms=1").await.status, 200);
    torture.signal(Signal::TERM);
    let exit = torture.exit(Duration::from_secs(10)).await;
    let lines = parsed(&exit.stdout);
    assert!(!lines.is_empty() && messages(&lines, "request ended").is_empty());
}

#[tokio::test]
async fn a_place_that_fails_all_the_time_is_written_a_few_times_and_counted() {
    let torture = Torture::start(&[JSON, QUICK, ("MACADAM_TELEMETRY_REPEATS", "1")]).await;
    let mut client = Client::connect(torture.public).await;
    for _ in 0..50 {
        assert_eq!(client.get("/panic").await.status, 500);
    }
    let metrics = Client::connect(torture.admin).await.get("/metrics").await;
    let repeated = metrics
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("macadam_telemetry_log_lines_repeated_total "));
    let repeated: f64 = repeated.expect("it is there").parse().unwrap();
    torture.signal(Signal::TERM);
    let exit = torture.exit(Duration::from_secs(10)).await;
    let lines = parsed(&exit.stdout);
    let written = messages(&lines, "the handler panicked").len();
    assert!(written >= 1 && written as f64 + repeated == 50.0, "{written} and {repeated}");
    assert_eq!(messages(&lines, "request ended").len(), 50, "the access line is always there");
}
