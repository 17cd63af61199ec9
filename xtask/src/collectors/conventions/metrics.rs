//! Metrics of HTTP servers.

use std::collections::BTreeMap;

use super::{Spans, int, is, text};
use crate::collectors::decoded::{Attributes, Decoded, Metric, Span};
use crate::collectors::load::{CANARY, Sent};
use crate::collectors::table::Table;
use crate::telemetry::Registry;

/// The advice of the conventions for its histogram of durations.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// All that a duration may be told by; others are opt-in, since a peer chooses them.
const ALLOWED: [&str; 6] = [
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "network.protocol.version",
    "url.scheme",
];
/// How many requests there are of each combination.
type Counts = BTreeMap<Attributes, u64>;

const METHODS: [&str; 11] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE", "_OTHER"];

pub(super) fn check(
    table: &mut Table,
    decoded: &Decoded,
    sent: &[Sent],
    spans: &Spans<'_>,
    registry: &Registry,
) {
    let none = Metric::default();
    let last = |name| decoded.last(name).unwrap_or(&none);
    let duration = last("http.server.request.duration");
    described(table, "http.server.request.duration", duration, ["s", "Histogram"]);
    table.each("its bounds are the 14 of the conventions", &duration.points, |point| point.bounds == BOUNDS);
    table.each("its 15 buckets hold each request once", &duration.points, |point| {
        point.buckets.len() == BOUNDS.len() + 1
            && point.number("Count") == point.buckets.iter().sum::<u64>() as f64
    });
    let mut of = |claim: &str, holds: &dyn Fn(&Attributes) -> bool| {
        table.each(claim, &duration.points, |point| holds(&point.attributes));
    };
    of("`http.request.method`, required: known, or `_OTHER`", &|attributes| {
        attributes
            .get("http.request.method")
            .is_some_and(|said| METHODS.iter().any(|known| *said == text(known)))
    });
    of("`url.scheme`, required", &|attributes| is(attributes, "url.scheme", Some(text("http"))));
    of("`network.protocol.version`: `1.0`, `1.1` or `2`; no `network.protocol.name`", &|attributes| {
        let version = attributes.get("network.protocol.version");
        version.is_some_and(|said| ["1.0", "1.1", "2"].iter().any(|known| *said == text(known)))
    });
    of("`error.type`: of the list that is documented, or the status of a 5xx", &|attributes| {
        let status = attributes.get("http.response.status_code");
        let status = status.and_then(|status| status.strip_prefix("Int(5"));
        attributes.get("error.type").is_none_or(|said| {
            registry.errors.iter().any(|error| *said == text(error))
                || status.is_some_and(|rest| *said == format!("Str(5{rest}"))
        })
    });
    of("nothing that is opt-in, such as `server.address`, and no path", &|attributes| {
        attributes.keys().all(|name| ALLOWED.contains(&name.as_str()))
    });

    let told = || sent.iter().filter(|sent| sent.is_told());
    let must = counted(told().filter(|sent| !sent.is_stream()));
    let counts = duration.points.iter().map(|point| (point.attributes.clone(), point.number("Count") as u64));
    same(table, "as many as were sent, by all of these together", &counts.collect(), &must);
    let seconds: f64 = duration.points.iter().map(|point| point.number("Sum")).sum();
    let others = spans.values().filter(|(sent, _)| !sent.is_stream());
    let spanned: f64 = others.map(|(_, span)| span.seconds()).sum();
    table.row(
        "they took as long as their spans, all together",
        format_args!("{seconds:.6} s"),
        format_args!("{spanned:.6} s"),
        // Of floats that are added up in another order, and of nanoseconds.
        seconds > 0.0 && (seconds - spanned).abs() < 1e-6 * spans.len() as f64,
    );

    exemplars(table, decoded, spans);

    let streams = last("macadam.http.server.streams");
    let counts = streams.points.iter().map(|point| (point.attributes.clone(), point.number("Value") as u64));
    let must = counted(told().filter(|sent| sent.is_stream()));
    same(table, "event streams and upgrades, apart", &counts.collect(), &must);

    let active = last("http.server.active_requests");
    described(table, "http.server.active_requests", active, ["{request}", "Sum"]);
    let monotonic = active.said("IsMonotonic");
    table.row("it goes up and down: `IsMonotonic`", monotonic, "false", monotonic == "false");
    table.each("it has method and scheme and nothing else, and is 0 at the end", &active.points, |point| {
        point.attributes.keys().eq(["http.request.method", "url.scheme"]) && point.number("Value") == 0.0
    });

    table.each("no metric says what a peer chose", &decoded.metrics, |metric| {
        let attributes = metric.points.iter().flat_map(|point| point.attributes.values());
        !attributes.into_iter().any(|value| value.to_ascii_lowercase().contains(CANARY))
    });
    let lost = last("macadam.telemetry.dropped");
    table.each("spans, records and readings that were lost: 0", &lost.points, |point| {
        point.number("Value") == 0.0
    });
}

/// From a bucket to the span of a request that is in it.
fn exemplars(table: &mut Table, decoded: &Decoded, spans: &Spans<'_>) {
    let ids = |span: &Span| [span.said("Trace ID"), span.said("ID")].map(str::to_owned);
    let spans: BTreeMap<_, _> = spans.values().map(|(_, span)| (ids(span), *span)).collect();
    let durations =
        decoded.metrics.iter().filter(|metric| metric.said("Name") == "http.server.request.duration");
    let points = durations.flat_map(|metric| &metric.points);
    let exemplars = points.flat_map(|point| point.exemplars.iter().map(move |exemplar| (point, exemplar)));
    table.each(
        "exemplars: the span of that request has come, of that series",
        exemplars,
        |(point, exemplar)| {
            let said = |what| exemplar.get(what).cloned().unwrap_or_default();
            spans.get(&[said("Trace ID"), said("Span ID")]).is_some_and(|span| {
                let is_told = |(name, value): (&String, &String)| span.attributes.get(name) == Some(value);
                let took: f64 = said("Value").parse().unwrap_or(f64::NAN);
                point.attributes.iter().all(is_told) && (took - span.seconds()).abs() < 1e-6
            })
        },
    );
}

fn described(table: &mut Table, name: &str, metric: &Metric, [unit, kind]: [&str; 2]) {
    let said =
        [metric.said("DataType"), metric.said("Unit"), metric.said("AggregationTemporality")].join(", ");
    let must = format!("{kind}, {unit}, AGGREGATION_TEMPORALITY_CUMULATIVE");
    table.row(&format!("`{name}`"), &said, &must, said == must);
}

/// What is to be told of these.
fn counted<'a>(sent: impl Iterator<Item = &'a Sent>) -> Counts {
    let mut counts = BTreeMap::new();
    for sent in sent {
        let attributes = [
            ("http.request.method", Some(text(sent.method()))),
            ("http.route", sent.route().map(text)),
            ("http.response.status_code", sent.status().map(int)),
            ("error.type", sent.error().map(text)),
            ("network.protocol.version", Some(text(sent.version()))),
            ("url.scheme", Some(text("http"))),
        ];
        let attributes = attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        *counts.entry(attributes.collect()).or_default() += 1;
    }
    counts
}

fn same(table: &mut Table, claim: &str, counts: &Counts, must: &Counts) {
    let sum = |counts: &Counts| format!("{} in {} series", counts.values().sum::<u64>(), counts.len());
    let holds = !must.is_empty() && counts == must;
    table.row(claim, sum(counts), sum(must), holds);
    if !holds {
        let mut differ = |these: &Counts, those: &Counts, what: &str| {
            for (attributes, count) in these.iter().filter(|(key, count)| those.get(*key) != Some(*count)) {
                table.note(format!("{what} {count}: {attributes:?}"));
            }
        };
        differ(counts, must, "told");
        differ(must, counts, "sent");
    }
}
