//! Service level objectives as code: Prometheus' rules and alerts, and a dashboard, made of the list of metrics.

mod dashboard;
mod objectives;
mod promql;
mod rules;
mod yaml;

use std::path::Path;

pub(crate) use self::dashboard::expressions;
pub(crate) use self::objectives::Args;
use self::objectives::Objectives;
use crate::Result;
use crate::generated::Generated;
use crate::telemetry::Registry;

pub(crate) fn run(args: &Args) -> Result {
    of(args, &Registry::read()?)?.run(args.check)
}

/// What stands in the tree.
///
/// # Errors
/// Where a rule or the dashboard names what is in no list.
pub(crate) fn generated(registry: &Registry) -> Result<Generated> {
    of(&Args::default(), registry)
}

fn of(args: &Args, registry: &Registry) -> Result<Generated> {
    let objectives = Objectives::of(args, registry)?;
    let groups = rules::of(&objectives);
    let dashboard = dashboard::of(&objectives);
    let recorded = groups.iter().flat_map(rules::Group::recorded).collect();
    let expressions = groups.iter().flat_map(rules::Group::expressions).map(str::to_owned);
    let asked = dashboard::expressions(&dashboard).map(|(_, expression)| expression);
    for expression in expressions.chain(asked) {
        promql::check(&expression, registry, &recorded)?;
    }
    let path = |name| Path::new(&args.out).join(name).to_string_lossy().into_owned();
    Ok(Generated {
        chore: "cargo xtask slo",
        files: vec![
            (path("rules.yml"), yaml::of(&groups)),
            (path("dashboard.json"), format!("{dashboard:#}\n")),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_tree_is_what_the_list_of_metrics_says() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut args = Args::default();
        args.out = root.join("slo").to_string_lossy().into_owned();
        of(&args, &Registry::now()).unwrap().check().unwrap();
    }

    #[test]
    fn a_metric_that_was_renamed_is_named_and_nothing_is_written() {
        let name = "macadam_load_shed_refused_total";
        let mut registry = Registry::now();
        let metric = registry.metrics.iter_mut().find(|metric| metric.name == name).unwrap();
        metric.name.push_str("_2");
        let error = generated(&registry).err().unwrap().to_string();
        assert!(error.contains(name), "{error}");
    }

    #[test]
    fn a_label_that_was_renamed_is_named_too() {
        let mut registry = Registry::now();
        for metric in &mut registry.metrics {
            for label in metric.labels.iter_mut().filter(|label| *label == "error_type") {
                *label = "error".to_owned();
            }
        }
        let error = generated(&registry).err().unwrap().to_string();
        assert!(error.contains("`error_type`"), "{error}");
    }
}
