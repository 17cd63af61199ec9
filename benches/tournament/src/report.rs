//! The tables, as Markdown.

use std::{fmt::Write, fs, thread};

use crate::{
    arm::Arm,
    race::MAX_LAG,
    scenario::Must,
    tournament::{Outcome, Row},
};

/// What was measured, on what, and by which command.
pub fn markdown(outcome: &Outcome, command: &str) -> String {
    let mut text = String::new();
    preamble(&mut text, outcome, command).expect("a string takes all");
    table(&mut text, outcome).expect("a string takes all");
    text
}

fn preamble(text: &mut String, outcome: &Outcome, command: &str) -> std::fmt::Result {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    writeln!(text, "`{command}`, on {cores} cores of {}.\n", processor())?;
    writeln!(text, "| plant | capacity, closed loop | unloaded p99 | best fixed limit at 2× |")?;
    writeln!(text, "|---|---|---|---|")?;
    for (kind, (capacity, tuned)) in &outcome.plants {
        let (rate, clients) = (capacity.rate, capacity.clients);
        let p99 = capacity.unloaded_p99.as_secs_f64() * 1e3;
        writeln!(text, "| {} | {rate:.0}/s with {clients} clients | {p99:.0} ms | {tuned} |", kind.name())?;
    }
    for (name, rate, clients) in &outcome.over_http {
        writeln!(text, "| {name}, one worker | {rate:.0}/s with {clients} clients | | |")?;
    }
    writeln!(text)?;
    let rule = format!("the generator's lag over {MAX_LAG:?} at its 99th percentile");
    match outcome.void {
        0 => writeln!(text, "No run was void ({rule}).\n")?,
        1 => writeln!(text, "One run was void ({rule}) and run again.\n")?,
        void => writeln!(text, "{void} runs were void ({rule}) and run again.\n")?,
    };
    if !outcome.late.is_empty() {
        let late = outcome.late.join("; ");
        writeln!(
            text,
            "**Void each time, and in the tables all the same, on a machine too busy for it:** {late}.\n"
        )?;
    }
    Ok(())
}

fn table(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    let arms = Arm::all(0).map(Arm::name);
    let arms: Vec<_> =
        arms.into_iter().filter(|arm| outcome.rows.iter().any(|row| row.values.contains_key(arm))).collect();
    writeln!(text, "The median of the seeds, and their range. Bold: as demanded.\n")?;
    writeln!(text, "| scenario | measured | must | {} |", arms.join(" | "))?;
    writeln!(text, "|---|---|---|{}", "---|".repeat(arms.len()))?;
    let mut last = "";
    for row in &outcome.rows {
        let scenario = if row.scenario == last { "" } else { &row.scenario };
        last = &row.scenario;
        write!(text, "| {scenario} | {} | {} |", row.what, demand(row.must))?;
        for arm in &arms {
            write!(text, " {} |", cell(row, arm))?;
        }
        writeln!(text)?;
    }
    Ok(())
}

fn cell(row: &Row, arm: &str) -> String {
    let (Some(median), Some(values)) = (row.median(arm), row.values.get(arm)) else { return "–".into() };
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let median_text = if row.must.holds(median) { format!("**{}**", number(median)) } else { number(median) };
    if number(least) == number(most) {
        return median_text;
    }
    format!("{median_text} ({}–{})", number(least), number(most))
}

fn demand(must: Must) -> String {
    match must {
        Must::AtLeast(least) => format!("≥ {}", number(least)),
        Must::AtMost(most) => format!("≤ {}", number(most)),
        Must::Nothing => String::new(),
    }
}

/// Three figures are as many as there is anything behind.
fn number(value: f64) -> String {
    match value {
        value if value.is_infinite() => "never".into(),
        0.0 => "0".into(),
        value if value < 1.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim().to_owned());
    name.unwrap_or_else(|| "a processor that does not say its name".into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_cell_is_bold_where_it_is_as_demanded_and_shows_the_range_where_there_is_one() {
        let values = BTreeMap::from([("one", vec![97.0, 99.0, 98.0]), ("short", vec![42.0])]);
        let row = Row { scenario: "s".into(), point: None, what: "w", must: Must::AtLeast(97.0), values };
        assert_eq!(cell(&row, "one"), "**98.0** (97.0–99.0)");
        assert_eq!(cell(&row, "short"), "42.0");
        assert_eq!(cell(&row, "absent"), "–");
    }
}
