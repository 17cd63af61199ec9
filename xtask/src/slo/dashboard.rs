//! Grafana's dashboard: what is asked of a service first, of the whole job and of each instance.

use serde_json::{Value, json};

use super::objectives::Objectives;
use super::rules::{ERRORS, SLOW};

pub(super) fn of(objectives: &Objectives) -> Value {
    let panels: Vec<_> =
        panels(objectives).iter().enumerate().map(|(index, panel)| panel.json(index)).collect();
    let query = |name: &str, query: &str| {
        json!({
            "name": name, "type": "query", "datasource": SOURCE, "definition": query,
            "query": { "query": query, "refId": name }, "refresh": 2, "sort": 1,
            "includeAll": name == "instance", "multi": name == "instance",
        })
    };
    json!({
        "uid": "macadam",
        "title": "macadam",
        "description": "Written by `cargo xtask slo` from the list of metrics in code.",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": { "from": "now-3h", "to": "now" },
        "templating": { "list": [
            { "name": "datasource", "type": "datasource", "query": "prometheus" },
            query("job", "label_values(macadam_health_ready, job)"),
            query("instance", "label_values(macadam_health_ready{job=\"$job\"}, instance)"),
        ] },
        "panels": panels,
    })
}

/// Every query of a dashboard, with the title of its panel.
pub(crate) fn expressions(dashboard: &Value) -> impl Iterator<Item = (String, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    panels.flat_map(move |panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.filter_map(move |target| Some((text(&panel["title"])?, text(&target["expr"])?)))
    })
}

struct Panel {
    title: &'static str,
    unit: &'static str,
    /// What each line is called, and its query.
    lines: Vec<(&'static str, String)>,
}

impl Panel {
    /// Three in a row.
    fn json(&self, index: usize) -> Value {
        let targets = self.lines.iter().zip('A'..).map(|((legend, expr), id)| {
            json!({
                "refId": id, "datasource": SOURCE, "expr": expr, "legendFormat": legend,
                "exemplar": expr.contains("_bucket"),
            })
        });
        json!({
            "id": index + 1,
            "type": "timeseries",
            "title": self.title,
            "datasource": SOURCE,
            "gridPos": { "w": 8, "h": 8, "x": index % 3 * 8, "y": index / 3 * 8 },
            "fieldConfig": { "defaults": { "unit": self.unit, "min": 0 }, "overrides": [] },
            "targets": targets.collect::<Vec<_>>(),
        })
    }
}

fn panels(objectives: &Objectives) -> Vec<Panel> {
    let panel = |title, unit, lines: &[(&'static str, &str)]| Panel {
        title,
        unit,
        lines: lines.iter().map(|(legend, query)| (*legend, chosen(query))).collect(),
    };
    let burns = |ratio: &str, budget: f64| {
        ["5m", "1h", "6h", "3d"]
            .map(|window| (window, format!("{ratio}{window}{{job=\"$job\"}} / {budget}")))
            .into()
    };
    vec![
        panel(
            "Requests by status",
            "reqps",
            &[(
                "{{http_response_status_code}}",
                "sum by (http_response_status_code) (rate(http_server_request_duration_seconds_count{@}[$__rate_interval]))",
            )],
        ),
        panel(
            "Errors by type",
            "reqps",
            &[(
                "{{error_type}}",
                "sum by (error_type) (rate(http_server_request_duration_seconds_count{@,error_type!=\"\"}[$__rate_interval]))",
            )],
        ),
        panel(
            "Sheds by reason",
            "reqps",
            &[("{{reason}}", "sum by (reason) (rate(macadam_load_shed_refused_total{@}[$__rate_interval]))")],
        ),
        panel(
            "Duration, but of what was shed",
            "s",
            &[
                (
                    "p50",
                    "histogram_quantile(0.5, sum by (le) (rate(http_server_request_duration_seconds_bucket{@,error_type!=\"shed\"}[$__rate_interval])))",
                ),
                (
                    "p95",
                    "histogram_quantile(0.95, sum by (le) (rate(http_server_request_duration_seconds_bucket{@,error_type!=\"shed\"}[$__rate_interval])))",
                ),
                (
                    "p99",
                    "histogram_quantile(0.99, sum by (le) (rate(http_server_request_duration_seconds_bucket{@,error_type!=\"shed\"}[$__rate_interval])))",
                ),
            ],
        ),
        panel(
            "p95 of each route",
            "s",
            &[(
                "{{http_route}}",
                "topk(10, histogram_quantile(0.95, sum by (le, http_route) (rate(http_server_request_duration_seconds_bucket{@,error_type!=\"shed\"}[$__rate_interval]))))",
            )],
        ),
        panel(
            "p95 of each instance",
            "s",
            &[("{{instance}}", "instance:http_server_request_duration_seconds:p95_rate5m{@}")],
        ),
        Panel {
            title: "Error budget: how often more errors than allowed",
            unit: "none",
            lines: burns(ERRORS, objectives.errors),
        },
        Panel {
            title: "Latency budget: how often more slow requests than allowed",
            unit: "none",
            lines: burns(SLOW, objectives.slow),
        },
        panel(
            "Errors of each instance",
            "percentunit",
            &[("{{instance}}", "instance:http_server_errors:ratio_rate5m{@}")],
        ),
        panel(
            "Saturation: slots",
            "none",
            &[
                ("in use", "sum(macadam_load_shed_in_flight{@,phase=\"slot\"})"),
                ("limit", "sum(macadam_load_shed_limit{@})"),
                ("waiting", "sum(macadam_load_shed_queued{@})"),
            ],
        ),
        panel(
            "Saturation: lag of the executor",
            "s",
            &[("{{instance}}", "macadam_load_shed_lag_seconds{@}")],
        ),
        panel(
            "Saturation: share of the workers that is busy",
            "percentunit",
            &[(
                "{{instance}}",
                "rate(tokio_runtime_busy_seconds_total{@}[$__rate_interval]) / tokio_runtime_workers{@}",
            )],
        ),
        panel(
            "Memory of each instance",
            "bytes",
            &[
                ("{{instance}}", "process_memory_usage_bytes{@}"),
                ("{{instance}} group", "macadam_cgroup_memory_bytes{@}"),
                ("{{instance}} limit", "macadam_cgroup_memory_limit_bytes{@}"),
            ],
        ),
        panel(
            "Processors in use by each instance",
            "none",
            &[(
                "{{instance}}",
                "sum by (instance) (rate(process_cpu_time_seconds_total{@}[$__rate_interval]))",
            )],
        ),
        panel(
            "Restarts of each instance",
            "none",
            &[("{{instance}}", "resets(process_uptime_seconds{@}[$__rate_interval])")],
        ),
    ]
}

/// With the job and the instances that are chosen in place of the `@`.
fn chosen(query: &str) -> String {
    query.replace('@', "job=\"$job\",instance=~\"$instance\"")
}

const SOURCE: &str = "${datasource}";
