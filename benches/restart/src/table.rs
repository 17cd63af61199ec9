//! What comes out: rows of a table, as Markdown.

use std::{error::Error, fmt};

pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) must: String,
    pub(crate) control: String,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    AsDemanded,
    /// Nothing is demanded of it.
    Stated,
    Missed,
    /// The control did what only ours can do, so that the row shows nothing.
    ControlPassed,
    /// The generator was late itself, each time.
    Void,
}

impl Row {
    /// One that could not be measured.
    pub(crate) fn broken(what: String, must: &str, error: &dyn Error) -> Self {
        // A table has room for one line; the others say what the service said.
        crate::doing(&error.to_string());
        let measured = error.to_string().lines().next().unwrap_or_default().to_owned();
        Self { what, measured, must: must.into(), control: "–".into(), verdict: Verdict::Missed }
    }
}

impl Verdict {
    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::AsDemanded | Self::Stated)
    }

    pub(crate) fn of(is_as_demanded: bool) -> Self {
        if is_as_demanded { Self::AsDemanded } else { Self::Missed }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsDemanded => "as demanded",
            Self::Stated => "",
            Self::Missed => "**not as demanded**",
            Self::ControlPassed => "**the control passed too**",
            Self::Void => "**void: the generator was late**",
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, measured, must, control, verdict } = self;
        write!(f, "| {what} | {measured} | {must} | {control} | {verdict} |")
    }
}

pub(crate) const HEAD: &str = "\
| what | macadam | must | control: stock axum | |
|---|---|---|---|---|";
