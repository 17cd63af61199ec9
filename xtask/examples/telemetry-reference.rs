//! Prints all that a road tells of itself, as JSON; `cargo xtask telemetry` and `cargo xtask slo` read it.
#![cfg_attr(not(test), expect(clippy::print_stdout, reason = "printing is what it is for"))]

use macadam::Road;
use macadam_core::Series;
use macadam_telemetry::{BOUNDS, ErrorType, Field, logs, otel_0_33};
use serde_json::{Value, json};

fn main() {
    println!("{:#}", reference());
}

/// What `xtask::telemetry::Registry` is read from.
pub(crate) fn reference() -> Value {
    let metrics = Road::metrics().into_iter().map(|metric| {
        json!({
            "name": metric.name,
            "kind": metric.kind.as_str(),
            "unit": metric.unit(),
            "labels": metric.labels,
            "series": match metric.series {
                Series::AtMost(1) => "1".to_owned(),
                Series::AtMost(most) => format!("{most} at most"),
                Series::Each(what) => format!("one a {what}"),
                Series::Unsaid => "nobody has said".to_owned(),
            },
            "help": metric.help,
        })
    });
    let fields = [Field::ALL, logs::MEMBERS, otel_0_33::ATTRIBUTES].concat().into_iter().map(|field| {
        json!({
            "on": field.on.as_str(),
            "name": field.name,
            "unit": field.unit,
            "values": field.values,
            "help": field.help,
        })
    });
    json!({
        "metrics": metrics.collect::<Vec<_>>(),
        "fields": fields.collect::<Vec<_>>(),
        "bounds": BOUNDS,
        "errors": ErrorType::ALL.into_iter().filter_map(ErrorType::as_str).collect::<Vec<_>>(),
    })
}
