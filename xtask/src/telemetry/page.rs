//! The Markdown of docs/telemetry.md.

use std::fmt::Write;

use super::registry::{Field, Metric, Registry};

pub(super) fn of(registry: &Registry) -> String {
    let mut page = String::from(HEAD);
    for Metric { name, kind, unit, labels, series, help } in &registry.metrics {
        let unit = unit.as_deref().unwrap_or("");
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(page, "| `{name}` | {kind} | {unit} | {} | {series} | {help} |", labels.join(", "));
    }
    let bounds: Vec<_> = registry.bounds.iter().map(ToString::to_string).collect();
    let errors: Vec<_> = registry.errors.iter().map(|word| format!("`{word}`")).collect();
    let _ = write!(page, "{LABELS}\nThe bounds of the durations are {}, in seconds.", bounds.join(", "));
    let _ = write!(page, "\n`error_type` is {}, or the status of a 5xx.\n{FIELDS}", errors.join(", "));
    for Field { on, name, unit, values, help } in &registry.fields {
        let _ = writeln!(page, "| `{name}` | {on} | {unit} | {values} | {help} |");
    }
    page
}

const HEAD: &str = "\
# What a service tells of itself

<!-- Written by `cargo xtask telemetry` from the lists in the code: `Road::metrics`, and those of `Field` in `macadam_telemetry`. -->

Alerts and a dashboard that are made of these are in [slo/](../slo/README.md); what to make of them at night stands in
[at-night.md](at-night.md).

## Metrics

On the admin listener's `/metrics`, for Prometheus. *Series* are the combinations of labels that one instance may have; of a
histogram each is 17 lines. A road that runs is held to this list by a test: it exposes nothing else, and no label more.

To a scraper that asks for OpenMetrics, and by OTLP, each bucket of `http_server_request_duration_seconds` names a request that is in
it by its `trace_id` and `span_id`, its *exemplar*. Prometheus keeps them with `--enable-feature=exemplar-storage`; the dashboard's
panels show them.

| metric | kind | unit | labels | series | meaning |
|---|---|---|---|---|---|
";

const LABELS: &str = "
No value of a label is a peer's to choose. `http_route` is the matched template and absent where none matched;
`http_request_method` is `_OTHER` for one that is in no standard. Of each metric that has those labels one series is for what
is beyond the limit, and has `otel_metric_overflow=\"true\"` and no other label.
";

const FIELDS: &str = "
## Fields of spans and of the log

| field | on | unit | values | meaning |
|---|---|---|---|---|
";
