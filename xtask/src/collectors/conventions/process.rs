//! Metrics of processes, and what tells one instance from another.

use super::text;
use crate::collectors::decoded::Decoded;
use crate::collectors::table::Table;

/// Name, unit, kind, and whether it only goes up.
const METRICS: &[[&str; 4]] = &[
    ["process.cpu.time", "s", "Sum", "true"],
    ["process.memory.usage", "By", "Sum", "false"],
    ["process.memory.virtual", "By", "Sum", "false"],
    ["process.thread.count", "{thread}", "Sum", "false"],
    ["process.unix.file_descriptor.count", "{file_descriptor}", "Sum", "false"],
    ["process.uptime", "s", "Gauge", ""],
    // Ours, since there are no conventions for tokio.
    ["tokio.runtime.workers", "", "Gauge", ""],
    ["tokio.runtime.busy", "s", "Sum", "true"],
];

pub(super) fn check(table: &mut Table, decoded: &Decoded) {
    for [name, must @ ..] in METRICS {
        let metric = decoded.last(name);
        let said =
            ["Unit", "DataType", "IsMonotonic"].map(|what| metric.map_or("", |metric| metric.said(what)));
        let figures = metric.into_iter().flat_map(|metric| &metric.points).map(|point| point.number("Value"));
        let is_there = metric.is_some_and(|metric| !metric.points.is_empty());
        let holds = said == *must && is_there && figures.into_iter().all(|figure| figure >= 0.0);
        table.row(&format!("`{name}`"), said.join(" ").trim(), must.join(" ").trim(), holds);
    }
    let cpu = decoded.last("process.cpu.time").into_iter().flat_map(|metric| &metric.points);
    table.each("`process.cpu.time` by `cpu.mode`", cpu, |point| {
        ["user", "system"].iter().any(|mode| point.attributes.get("cpu.mode") == Some(&text(mode)))
    });
    for (name, value) in [
        ("service.name", Some("torture")),
        ("service.version", None),
        ("service.instance.id", None),
        ("service.namespace", Some("e2e")),
        ("deployment.environment.name", Some("test")),
    ] {
        let claim = format!("the resource of metrics, spans and logs has `{name}`");
        table.each(&claim, &decoded.resources, |resource| match (resource.get(name), value) {
            (Some(said), Some(value)) => *said == text(value),
            (said, _) => said.is_some_and(|said| said.len() > "Str()".len()),
        });
    }
    let mut instances: Vec<_> =
        decoded.resources.iter().map(|resource| resource.get("service.instance.id")).collect();
    instances.sort_unstable();
    instances.dedup();
    table.row("`service.instance.id`, of all of them together", instances.len(), 1, instances.len() == 1);
}
