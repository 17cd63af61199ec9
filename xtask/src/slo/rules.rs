//! Recording rules, and alerts on how fast an error budget burns.
//!
//! The windows and factors are those of Google's *Site Reliability Workbook*, chapter 5, for a period of 30 days: an alert is for
//! a share of the period's budget that is gone in one window, and is over soon after the burning is, by a window of a twelfth.

use super::objectives::Objectives;

pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) rules: Vec<Rule>,
}

pub(super) enum Rule {
    Record {
        name: String,
        query: String,
    },
    Alert {
        name: &'static str,
        query: String,
        labels: Vec<(&'static str, String)>,
        summary: String,
        description: String,
    },
}

impl Group {
    /// The names that its rules record.
    pub(super) fn recorded(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter_map(|rule| match rule {
            Rule::Record { name, .. } => Some(name.as_str()),
            Rule::Alert { .. } => None,
        })
    }

    pub(super) fn expressions(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| match rule {
            Rule::Record { query, .. } | Rule::Alert { query, .. } => query.as_str(),
        })
    }
}

/// An alert: so many times the errors that the objective allows, over both windows.
struct Burn {
    factor: f64,
    long: &'static str,
    short: &'static str,
    severity: &'static str,
    /// What is gone of the budget of 30 days by then.
    gone: &'static str,
}

const BURNS: [Burn; 4] = [
    Burn { factor: 14.4, long: "1h", short: "5m", severity: "page", gone: "2 %" },
    Burn { factor: 6.0, long: "6h", short: "30m", severity: "page", gone: "5 %" },
    Burn { factor: 3.0, long: "1d", short: "2h", severity: "ticket", gone: "10 %" },
    Burn { factor: 1.0, long: "3d", short: "6h", severity: "ticket", gone: "10 %" },
];

/// Of all those above.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

pub(super) const ERRORS: &str = "job:http_server_errors:ratio_rate";
pub(super) const SLOW: &str = "job:http_server_slow:ratio_rate";

pub(super) fn of(objectives: &Objectives) -> Vec<Group> {
    let of_windows = |name: &str, query: fn(&Objectives, &str, &str) -> String| {
        let rule = |window| Rule::Record {
            name: format!("{name}{window}"),
            query: query(objectives, "job", window),
        };
        WINDOWS.map(rule).into()
    };
    vec![
        Group { name: "macadam-errors", rules: of_windows(ERRORS, errors) },
        Group { name: "macadam-slow", rules: of_windows(SLOW, slow) },
        Group { name: "macadam-instances", rules: instances(objectives) },
        Group { name: "macadam-alerts", rules: alerts(objectives) },
    ]
}

/// The share of requests that were errors.
fn errors(objectives: &Objectives, by: &str, window: &str) -> String {
    let all = objectives.requests(&objectives.left_out);
    let errors = objectives.selector(r#"error_type!="""#, &objectives.left_out);
    let rate = |selector| {
        format!("sum by ({by}) (rate(http_server_request_duration_seconds_count{selector}[{window}]))")
    };
    let (all, errors) = (rate(all), rate(errors));
    // Before the first error there is no series of errors.
    format!("({errors} or 0 * {all})\n/ {all}")
}

/// The share of requests that took longer than the threshold, whatever became of them; but those that were shed: they were
/// answered at once, and never served.
fn slow(objectives: &Objectives, by: &str, window: &str) -> String {
    let all = objectives.requests(&["shed"]);
    let fast = objectives.selector(&objectives.le(), &["shed"]);
    format!(
        "1 -\nsum by ({by}) (rate(http_server_request_duration_seconds_bucket{fast}[{window}]))\n/ sum by ({by}) (rate(http_server_request_duration_seconds_count{all}[{window}]))"
    )
}

/// What is asked of each instance often enough to be kept.
fn instances(objectives: &Objectives) -> Vec<Rule> {
    let by = "job, instance";
    let admitted = objectives.requests(&["shed"]);
    let quantile = |name: &str, quantile: &str| Rule::Record {
        name: format!("instance:http_server_request_duration_seconds:{name}_rate5m"),
        query: format!(
            "histogram_quantile({quantile}, sum by ({by}, le) (rate(http_server_request_duration_seconds_bucket{admitted}[5m])))"
        ),
    };
    let memory = objectives.selector("", &[]);
    vec![
        Rule::Record {
            name: "instance:http_server_errors:ratio_rate5m".to_owned(),
            query: errors(objectives, by, "5m"),
        },
        quantile("p50", "0.5"),
        quantile("p95", "0.95"),
        quantile("p99", "0.99"),
        Rule::Record {
            name: "instance:macadam_cgroup_memory:ratio".to_owned(),
            query: format!(
                "macadam_cgroup_memory_bytes{memory}\n/ macadam_cgroup_memory_limit_bytes{memory}"
            ),
        },
    ]
}

fn alerts(objectives: &Objectives) -> Vec<Rule> {
    let burns = |name: &'static str, ratio: &'static str, budget: f64, what: String| {
        BURNS.map(move |Burn { factor, long, short, severity, gone }| Rule::Alert {
            name,
            query: format!("{ratio}{long} > {factor} * {budget}\nand\n{ratio}{short} > {factor} * {budget}"),
            labels: vec![
                ("severity", severity.to_owned()),
                ("burn", factor.to_string()),
                ("window", long.to_owned()),
            ],
            summary: format!("{{{{ $labels.job }}}}: {{{{ $value | humanizePercentage }}}} of the requests {what}"),
            description: format!(
                "Over {long} and over {short} it was more than {factor} times what the objective of {} % allows. By then {gone} of the budget of 30 days is gone.",
                percent(1.0 - budget),
            ),
        })
    };
    let slow = format!("took longer than {} s", objectives.threshold);
    let mut rules = Vec::new();
    rules.extend(burns("HttpErrorBudgetBurns", ERRORS, objectives.errors, "were errors".to_owned()));
    rules.extend(burns("HttpLatencyBudgetBurns", SLOW, objectives.slow, slow));
    rules.push(Rule::Alert {
        name: "HttpSeriesOverflow",
        query: format!(
            "count by (job) (http_server_request_duration_seconds_count{})",
            objectives.selector(r#"otel_metric_overflow="true""#, &[])
        ),
        labels: vec![("severity", "ticket".to_owned())],
        summary: "{{ $labels.job }}: some requests are counted without their labels".to_owned(),
        description: "There are more series of requests than the limit, and what is beyond it counts as no error whatever became of it: the objectives are no longer told truly.".to_owned(),
    });
    rules
}

/// Of a share, with as many digits as it has.
fn percent(share: f64) -> f64 {
    (share * 1e9).round() / 1e7
}

impl Objectives {
    /// Those requests whose `error_type` is none of these.
    pub(super) fn requests(&self, left_out: &[&str]) -> String {
        self.selector("", left_out)
    }

    fn selector(&self, first: &str, left_out: &[&str]) -> String {
        let job = self.job.iter().map(|job| format!("job={job:?}"));
        let first = Some(first.to_owned()).filter(|first| !first.is_empty());
        let left_out = left_out.iter().map(|error| format!("error_type!={error:?}"));
        let matchers: Vec<_> = job.chain(first).chain(left_out).collect();
        if matchers.is_empty() { String::new() } else { format!("{{{}}}", matchers.join(",")) }
    }

    /// The bucket below the threshold. What is scraped says `1.0`; what came as OTLP, by some versions of Prometheus, `1`.
    fn le(&self) -> String {
        match self.threshold {
            whole if whole.fract() == 0.0 => format!(r#"le=~"{whole}([.]0)?""#),
            part => format!(r#"le="{part}""#),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `5m` and its kin.
    fn minutes(window: &str) -> u32 {
        let (number, unit) = window.split_at(window.len() - 1);
        let unit = match unit {
            "m" => 1,
            "h" => 60,
            _ => 60 * 24,
        };
        number.parse::<u32>().unwrap() * unit
    }

    #[test]
    fn the_shares_of_the_budget_are_those_of_factors_and_windows() {
        for Burn { factor, long, short, gone, .. } in BURNS {
            let period = 30.0 * 24.0 * 60.0;
            assert_eq!(format!("{:.0} %", 100.0 * factor * f64::from(minutes(long)) / period), gone);
            assert_eq!(minutes(long), 12 * minutes(short));
            assert!(WINDOWS.contains(&long) && WINDOWS.contains(&short));
        }
    }
}
