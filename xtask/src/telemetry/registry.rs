//! All that a road tells of itself, as its code lists it.

use serde::Deserialize;

use crate::Result;
use crate::line::Line;

#[derive(Debug, Deserialize)]
pub(crate) struct Registry {
    /// In the order of their names.
    pub(crate) metrics: Vec<Metric>,
    pub(crate) fields: Vec<Field>,
    /// Of the buckets of a request's duration, in seconds.
    pub(crate) bounds: Vec<f64>,
    /// The words of `error_type`, but for those that are a status.
    pub(crate) errors: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) unit: Option<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) series: String,
    pub(crate) help: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Field {
    pub(crate) on: String,
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) values: String,
    pub(crate) help: String,
}

impl Registry {
    /// The facade says it through an example, so that xtask builds without the facade, also while that does not.
    pub(crate) fn read() -> Result<Self> {
        let line = "cargo run --quiet --package xtask --example telemetry-reference --features macadam/otel,macadam/tls";
        Ok(serde_json::from_str(&Line::new(line).output()?)?)
    }

    /// The metric of which this is a name in a query: that of a histogram is one of its three.
    pub(crate) fn metric(&self, name: &str) -> Option<&Metric> {
        let named = |name| self.metrics.iter().find(|metric| metric.name == name);
        let part = || {
            let stem = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end))?;
            named(stem).filter(|metric| metric.kind == "histogram")
        };
        named(name).filter(|metric| metric.kind != "histogram").or_else(part)
    }
}

#[cfg(test)]
#[expect(dead_code, reason = "its `main` is the example's")]
#[path = "../../examples/telemetry-reference.rs"]
mod reference;

#[cfg(test)]
impl Registry {
    /// What the code says, without another process.
    pub(crate) fn now() -> Self {
        serde_json::from_value(reference::reference()).expect("the example says what is read here")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_known_by_the_names_of_its_parts_alone() {
        let registry = Registry::now();
        let name = "http_server_request_duration_seconds";
        assert!(registry.metric(name).is_none());
        assert_eq!(registry.metric(&format!("{name}_bucket")).unwrap().name, name);
        assert!(registry.metric("macadam_health_ready").is_some());
        assert!(registry.metric("macadam_health_ready_count").is_none());
    }
}
