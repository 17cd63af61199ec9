//! From a bucket of Prometheus' histogram to a request that is in it: what somebody does who sees a bad p95.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::prometheus::Prometheus;
use super::table::Table;
use crate::Result;

pub(super) fn check(table: &mut Table, prometheus: &Prometheus, log: &Path) -> Result {
    let log = fs::read_to_string(log)?;
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ended = lines.filter(|line| line["target"] == "macadam::access");
    let ended: BTreeMap<_, _> = ended.map(|line| (ids(&line), line)).collect();

    let found = prometheus.api("query_exemplars?query=http_server_request_duration_seconds_bucket")?;
    let series = found.as_array().into_iter().flatten();
    // Of what was shed there is no line: Prometheus has its count, and the log a sentence a second.
    let series = series.filter(|series| series["seriesLabels"]["error_type"] != "shed");
    let exemplars = series.flat_map(|series| {
        let exemplars = series["exemplars"].as_array().into_iter().flatten();
        exemplars.map(|exemplar| (&series["seriesLabels"], exemplar))
    });
    table.each(
        "exemplars: the log has that request, of that series and bucket",
        exemplars,
        |(labels, exemplar)| {
            let took = number(&exemplar["value"]);
            ended.get(&ids(&exemplar["labels"])).is_some_and(|line| {
                let is_told = ["http.route", "error.type"]
                    .iter()
                    .all(|name| labels[name.replace('.', "_")] == line[name]);
                is_told
                    && (took - number(&line["duration_seconds"])).abs() < 1e-6
                    && took <= number(&labels["le"])
            })
        },
    );
    Ok(())
}

fn ids(of: &Value) -> [String; 2] {
    ["trace_id", "span_id"].map(|name| of[name].as_str().unwrap_or_default().to_owned())
}

/// Prometheus writes numbers as text.
fn number(value: &Value) -> f64 {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    number.unwrap_or(f64::NAN)
}
