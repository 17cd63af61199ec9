//! What Prometheus has understood of the metrics, held to the list in code and to what was sent.

use std::collections::BTreeMap;
use std::time::Duration;

use super::load::Sent;
use super::prometheus::Prometheus;
use super::table::Table;
use crate::Result;
use crate::stopwatch::poll;
use crate::telemetry::Registry;

/// From the last request's end to the scrape that tells it, on a machine that is busy.
const SETTLE: Duration = Duration::from_secs(15);

/// Every request is counted once, and none is active.
pub(super) fn counts(table: &mut Table, prometheus: &Prometheus, sent: &[Sent]) -> Result {
    let told = || sent.iter().filter(|sent| sent.is_told());
    let streams = told().filter(|sent| sent.is_stream()).count();
    let others = told().count() - streams;
    for (claim, query, must) in [
        ("requests in the histogram", "sum(http_server_request_duration_seconds_count)", others),
        (
            "event streams and upgrades, which are not in it",
            "sum(macadam_http_server_streams_total)",
            streams,
        ),
        ("requests that are still active", "sum(http_server_active_requests)", 0),
    ] {
        let settled = poll(SETTLE, || Ok(prometheus.figure(query)?.filter(|figure| *figure == must as f64)))?;
        let figure = match settled {
            None => prometheus.figure(query)?,
            settled => settled,
        };
        let measured = figure.map_or("nothing".to_owned(), |figure| figure.to_string());
        table.row(claim, measured, must, settled.is_some());
    }
    let mut errors = BTreeMap::<_, usize>::new();
    for sent in told().filter(|sent| !sent.is_stream()) {
        *errors.entry(sent.error().unwrap_or_default()).or_default() += 1;
    }
    for (error, must) in errors {
        let query = format!("sum(http_server_request_duration_seconds_count{{error_type={error:?}}})");
        let figure = prometheus.figure(&query)?.unwrap_or_default();
        table.row(&format!("of them with `error_type={error:?}`"), figure, must, figure == must as f64);
    }
    Ok(())
}

/// Kind, unit and meaning of each metric, as Prometheus has them from the last scrape; units it has only from OpenMetrics.
pub(super) fn metadata(table: &mut Table, prometheus: &Prometheus, registry: &Registry) -> Result {
    let metadata = prometheus.api("metadata")?;
    let known = metadata.as_object().into_iter().flatten();
    table.each(
        "metrics that the list in code has, with that kind, unit and meaning",
        known,
        |(name, said)| {
            // In OpenMetrics a counter is called without its end.
            let listed = registry.metrics.iter().find(|metric| {
                metric.name == **name || metric.kind == "counter" && metric.name == format!("{name}_total")
            });
            let said = said.as_array().and_then(|all| all.first());
            listed.zip(said).is_some_and(|(listed, said)| {
                said["type"] == *listed.kind
                    && said["unit"] == *listed.unit.as_deref().unwrap_or_default()
                    && said["help"].as_str().map(|help| help.trim_end_matches('.')) == Some(&*listed.help)
            })
        },
    );
    Ok(())
}
