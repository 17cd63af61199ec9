//! The names in a query, held to the list of metrics.

use std::collections::BTreeSet;

use crate::Result;
use crate::telemetry::Registry;

/// # Errors
/// Where the query names a metric that is neither in the list nor recorded by a rule, or a label that its metrics do not have.
pub(super) fn check(query: &str, registry: &Registry, recorded: &BTreeSet<&str>) -> Result {
    let names = Names::of(query);
    let mut known: BTreeSet<&str> = SCRAPED.into_iter().collect();
    for metric in &names.metrics {
        match registry.metric(metric) {
            Some(listed) => {
                known.extend(listed.labels.iter().map(String::as_str));
                known.extend(metric.ends_with("_bucket").then_some("le"));
            }
            None if recorded.contains(metric) => {}
            None => return Err(format!("no metric is named `{metric}`, as in `{query}`").into()),
        }
    }
    match names.labels.iter().find(|label| !known.contains(*label)) {
        None => Ok(()),
        Some(label) => Err(format!("no metric there has a label `{label}`: `{query}`").into()),
    }
}

/// The labels that a scrape adds.
const SCRAPED: [&str; 2] = ["job", "instance"];

#[derive(Debug, Default, PartialEq)]
struct Names<'a> {
    metrics: Vec<&'a str>,
    labels: Vec<&'a str>,
}

impl<'a> Names<'a> {
    /// As many of PromQL's rules as it takes to tell the names of metrics and labels from all other words.
    fn of(query: &'a str) -> Self {
        let mut names = Self::default();
        let mut rest = query;
        let mut in_labels = false;
        while let Some(first) = rest.chars().next() {
            let word =
                rest.split(|c: char| !(c.is_alphanumeric() || "_:.".contains(c))).next().unwrap_or_default();
            rest = match first {
                '"' => after(rest, '"'),
                '[' => after(rest, ']'),
                // A variable of Grafana's.
                '$' => rest[1..].trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'),
                '{' | '}' => {
                    in_labels = first == '{';
                    &rest[1..]
                }
                // The labels by which a word before it groups or matches end with it.
                ')' => {
                    in_labels = false;
                    &rest[1..]
                }
                _ if word.is_empty() => &rest[first.len_utf8()..],
                _ => {
                    let rest = &rest[word.len()..];
                    // An aggregation may have its labels before what it aggregates.
                    let calls = ["(", "by", "without"].iter().any(|word| rest.trim_start().starts_with(word));
                    if LISTS.contains(&word) {
                        in_labels = calls;
                    } else if in_labels {
                        names.labels.push(word);
                    } else if !calls && !OPERATORS.contains(&word) && !first.is_numeric() {
                        names.metrics.push(word);
                    }
                    rest
                }
            };
        }
        names
    }
}

/// What stands behind the next such character but the first.
fn after(text: &str, end: char) -> &str {
    text[1..].split_once(end).map_or("", |(_, rest)| rest)
}

/// Words that have labels in parentheses behind them.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const OPERATORS: [&str; 6] = ["and", "or", "unless", "offset", "bool", "inf"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_and_labels_are_told_from_functions_operators_strings_and_numbers() {
        let names = Names::of(
            r#"histogram_quantile(0.95, sum by (job, le) (rate(a_bucket{b="x{y}", c!~"$d"}[$__rate_interval])))
               and on (e) f:g:h_rate5m > (14.4 * 1e-3) or 0 * max(i) unless sum without(j) (k offset 5m)"#,
        );
        assert_eq!(names.metrics, ["a_bucket", "f:g:h_rate5m", "i", "k"]);
        assert_eq!(names.labels, ["job", "le", "b", "c", "e", "j"]);
    }

    #[test]
    fn a_name_that_is_nowhere_is_refused() {
        let registry = Registry::now();
        let recorded = ["job:known"].into();
        let check = |query| check(query, &registry, &recorded);
        assert!(check("job:known and macadam_load_shed_limit").is_ok());
        assert!(check("job:unknown").is_err());
        assert!(check("macadam_load_shed_limits").is_err());
        assert!(check(r#"macadam_load_shed_refused_total{reason="lag"}"#).is_ok());
        assert!(check(r#"macadam_load_shed_refused_total{cause="lag"}"#).is_err());
        assert!(check("sum by (le) (http_server_request_duration_seconds_bucket)").is_ok());
        assert!(check("sum by (le) (http_server_request_duration_seconds_count)").is_err());
    }
}
