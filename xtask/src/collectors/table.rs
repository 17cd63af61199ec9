//! What is claimed, what was measured, and whether that is as it must be.

use std::fmt::{self, Debug, Display};

use crate::Result;

#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    /// What is not as it must be, more closely.
    notes: Vec<String>,
}

struct Row {
    claim: String,
    measured: String,
    must: String,
    holds: bool,
}

impl Table {
    pub(super) fn row(&mut self, claim: &str, measured: impl Display, must: impl Display, holds: bool) {
        let (measured, must) = (measured.to_string(), must.to_string());
        self.rows.push(Row { claim: claim.to_owned(), measured, must, holds });
    }

    /// A claim of each of several things, of which there has to be at least one.
    pub(super) fn each<T: Debug>(
        &mut self,
        claim: &str,
        things: impl IntoIterator<Item = T>,
        holds: impl Fn(&T) -> bool,
    ) {
        let (mut all, mut failed) = (0, Vec::new());
        for thing in things {
            all += 1;
            if !holds(&thing) {
                failed.push(thing);
            }
        }
        let holding = all - failed.len();
        self.row(claim, format_args!("{holding} of {all}"), "all", all > 0 && failed.is_empty());
        if let Some(first) = failed.first() {
            self.note(format!("not so, {claim}: {first:#?}"));
        }
    }

    /// Says more of what is not as it must be.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// # Errors
    /// Where a claim does not hold.
    pub(super) fn verdict(&self) -> Result {
        match self.rows.iter().filter(|row| !row.holds).count() {
            0 => Ok(()),
            1 => Err("a claim does not hold: see the table".into()),
            missed => Err(format!("{missed} claims do not hold: see the table").into()),
        }
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("| claim | measured | must | |\n|---|---|---|---|\n")?;
        for Row { claim, measured, must, holds } in &self.rows {
            let verdict = if *holds { "ok" } else { "**NO**" };
            writeln!(f, "| {claim} | {measured} | {must} | {verdict} |")?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\n{note}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_hold_is_an_error_and_what_is_claimed_of_nothing_does_not_hold() {
        let mut table = Table::default();
        table.row("two is two", 2, 2, true);
        table.each("small", [1, 2], |number| *number < 3);
        assert!(table.verdict().is_ok());
        table.each("small", [1, 3], |number| *number < 3);
        table.each("nothing is small", [0; 0], |number| *number < 3);
        assert_eq!(table.verdict().unwrap_err().to_string(), "2 claims do not hold: see the table");
        let expected = "\
| claim | measured | must | |
|---|---|---|---|
| two is two | 2 | 2 | ok |
| small | 2 of 2 | all | ok |
| small | 1 of 2 | all | **NO** |
| nothing is small | 0 of 0 | all | **NO** |

not so, small: 3
";
        assert_eq!(table.to_string(), expected);
    }
}
