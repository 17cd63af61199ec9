//! Every query of the rules and of the dashboard, asked of a Prometheus that has scraped the service.

use std::fs;

use serde_json::Value;

use super::prometheus::{JOB, Prometheus};
use super::table::Table;
use crate::Result;
use crate::slo;

/// What has data only where the machine or the load is another one, and why.
const MAY_BE_EMPTY: &[(&str, &str)] = &[
    ("macadam_cgroup_memory_limit_bytes", "not every machine limits what a process' group may have"),
    ("instance:macadam_cgroup_memory:ratio", "as before"),
    ("macadam_cgroup_memory_bytes", "not every machine has the second version of control groups"),
];
/// What must have none.
const MUST_BE_EMPTY: &[(&str, &str)] =
    &[("otel_metric_overflow=\"true\"", "no load has more series than there is room for")];

struct Query {
    of: String,
    query: String,
}

pub(super) fn check(table: &mut Table, prometheus: &Prometheus) -> Result {
    let rules = rules(&prometheus.api("rules")?);
    let unhealthy: Vec<_> = rules.iter().filter(|(_, health)| health != "ok").collect();
    let healthy = rules.len() - unhealthy.len();
    table.row(
        "rules that Prometheus evaluates",
        healthy,
        format_args!("all {}", rules.len()),
        healthy > 0 && unhealthy.is_empty(),
    );
    for (Query { of, query }, health) in unhealthy {
        table.note(format!("{of}: {health}: {query}"));
    }
    let rules: Vec<_> = rules.into_iter().map(|(query, _)| query).collect();
    ask(table, prometheus, "rules", &rules)?;

    let dashboard: Value = serde_json::from_str(&fs::read_to_string("slo/dashboard.json")?)?;
    let chosen = Chosen::from(&dashboard, prometheus)?;
    table.row("what the dashboard offers as jobs", &chosen.job, JOB, chosen.job == JOB);
    let panels = slo::expressions(&dashboard);
    let panels: Vec<_> = panels.map(|(of, query)| Query { of, query: chosen.fill(&query) }).collect();
    ask(table, prometheus, "queries of the dashboard's panels", &panels)?;

    let nowhere = prometheus.query("sum(rate(macadam_no_such_metric_total[1m]))")?;
    table.row(
        "a query of a metric that is not there (control)",
        nowhere.len(),
        "0 series",
        nowhere.is_empty(),
    );
    Ok(())
}

/// Each rule with its health, or why it has none.
fn rules(answer: &Value) -> Vec<(Query, String)> {
    let groups = answer["groups"].as_array().into_iter().flatten();
    let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
    let text = |rule: &Value, name: &str| rule[name].as_str().unwrap_or_default().to_owned();
    let rules = rules.map(|rule| {
        let health = [text(rule, "health"), text(rule, "lastError")].join(" ").trim().to_owned();
        (Query { of: text(rule, "name"), query: text(rule, "query") }, health)
    });
    rules.collect()
}

fn ask(table: &mut Table, prometheus: &Prometheus, what: &str, queries: &[Query]) -> Result {
    let (mut valid, mut full, mut wrong) = (0, 0, Vec::new());
    let mut may_be_empty = 0;
    for Query { of, query } in queries {
        let of_these =
            |list: &[(&str, &str)]| list.iter().any(|(part, _)| query.contains(part) || of == part);
        match prometheus.query(query) {
            Err(error) => wrong.push(format!("{of}: {error}")),
            Ok(result) => {
                valid += 1;
                full += usize::from(!result.is_empty());
                may_be_empty += usize::from(of_these(MAY_BE_EMPTY) || of_these(MUST_BE_EMPTY));
                if result.is_empty() && !of_these(MAY_BE_EMPTY) && !of_these(MUST_BE_EMPTY) {
                    wrong.push(format!("{of}: has no data: {query}"));
                }
                if !result.is_empty() && of_these(MUST_BE_EMPTY) {
                    wrong.push(format!("{of}: has data: {query}"));
                }
            }
        }
    }
    let all = queries.len();
    table.row(
        &format!("{what}, asked of it"),
        format_args!("{valid} valid, {full} with data"),
        format_args!("{all} valid, all with data but {may_be_empty} that may have none"),
        all > 0 && wrong.is_empty(),
    );
    wrong.into_iter().for_each(|line| table.note(line));
    Ok(())
}

/// What stands in the place of the dashboard's variables.
struct Chosen {
    job: String,
    instances: Vec<String>,
}

impl Chosen {
    /// As Grafana fills them: by what Prometheus has for the queries of the variables, and all instances chosen.
    fn from(dashboard: &Value, prometheus: &Prometheus) -> Result<Self> {
        let values = |variable: &str, job: &str| -> Result<Vec<String>> {
            let list = dashboard["templating"]["list"].as_array().into_iter().flatten();
            let query = list.clone().find(|entry| entry["name"] == variable);
            let query = query.and_then(|entry| entry["query"]["query"].as_str());
            let query = query.ok_or_else(|| format!("the dashboard has no variable `{variable}`"))?;
            let parts = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (series, label) = parts
                .and_then(|parts| parts.rsplit_once(", "))
                .ok_or_else(|| format!("`{query}` is not read here"))?;
            let series = super::prometheus::encoded(&series.replace("$job", job));
            let values = prometheus.api(&format!("label/{label}/values?match%5B%5D={series}"))?;
            let values = values.as_array().into_iter().flatten();
            Ok(values.filter_map(|value| value.as_str().map(str::to_owned)).collect())
        };
        let job = values("job", "")?.into_iter().next().unwrap_or_default();
        let instances = values("instance", &job)?;
        Ok(Self { job, instances })
    }

    fn fill(&self, query: &str) -> String {
        let instances: Vec<_> =
            self.instances.iter().map(|instance| instance.replace('.', "\\\\.")).collect();
        query
            .replace("$job", &self.job)
            .replace("$instance", &format!("({})", instances.join("|")))
            // Four scrapes at the least, and a scrape more than a point of the graph is wide.
            .replace("$__rate_interval", "15s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_variable_is_left_in_a_query_of_the_dashboard() {
        let chosen = Chosen { job: "orders".to_owned(), instances: vec!["127.0.0.1:1".to_owned()] };
        let filled = chosen.fill("rate(a{job=\"$job\",instance=~\"$instance\"}[$__rate_interval])");
        assert_eq!(filled, "rate(a{job=\"orders\",instance=~\"(127\\\\.0\\\\.0\\\\.1:1)\"}[15s])");
    }
}
