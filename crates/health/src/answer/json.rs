//! The document of `draft-inadarei-api-health-check-06`.

use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::told::Told;
use crate::{
    class::Status,
    health::{Health, Line},
    snapshot::CheckSnapshot,
};

#[derive(Serialize)]
struct Document<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(serialize_with = "as_object")]
    checks: Vec<(String, [Component<'a>; 1])>,
}

/// One check. What may name hosts and users is left out where details are.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Component<'a> {
    component_type: &'static str,
    status: &'static str,
    /// How long its last run took.
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_unit: Option<&'static str>,
    /// When that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
}

pub(crate) fn write(told: &Told<'_>, health: &Health, details: bool) -> String {
    let runs = health.snapshot().checks;
    let excluded = told.lines.iter().filter(|(_, excluded)| *excluded).map(|(line, _)| line.name);
    let document = Document {
        status: told.status().as_str(),
        output: (told.status() != Status::Pass).then(|| {
            let down = told.counted().filter(|line| line.finding.is_err()).map(|line| line.name);
            format!("{} check: not ok are {}", told.probe.as_str(), down.collect::<Vec<_>>().join(", "))
        }),
        notes: excluded.map(|name| format!("{name} is excluded")).collect(),
        checks: told.counted().map(|line| component(told, line, &runs, details)).collect(),
    };
    serde_json::to_string(&document).expect("its keys are strings and its numbers finite")
}

/// Under the name that the draft asks for, `{component}:{measurement}`; what is no check of the service measures nothing.
fn component<'a>(
    told: &Told<'_>,
    line: &'a Line<'_>,
    runs: &[CheckSnapshot],
    details: bool,
) -> (String, [Component<'a>; 1]) {
    let check = runs.iter().find(|check| check.name == line.name);
    let last = check.filter(|_| details).and_then(|check| check.last_duration.zip(check.finding_age));
    let component = Component {
        component_type: if check.is_some() { "component" } else { "system" },
        status: told.status_of(line).as_str(),
        observed_value: last.map(|(took, _)| took.as_secs_f64() * 1000.0),
        observed_unit: last.map(|_| "ms"),
        time: last
            .and_then(|(_, age)| SystemTime::now().checked_sub(age))
            .map(|ended| humantime::format_rfc3339_millis(ended).to_string()),
        output: line.finding.as_ref().err().filter(|_| details).map(AsRef::as_ref),
    };
    let name = if check.is_some() { format!("{}:responseTime", line.name) } else { line.name.to_owned() };
    (name, [component])
}

/// In the order of the checks.
fn as_object<S: Serializer>(
    checks: &[(String, [Component<'_>; 1])],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(checks.iter().map(|(name, components)| (name, components)))
}
