//! The invariants of ARCHITECTURE.md that the compiler cannot see.
//!
//! A rule is a pure function from the workspace's text to findings, and lives in a file of its own beside a
//! negative control: the smallest workspace that breaks it.

mod catch_all_names;
mod doc_versions;
mod feature_behaviour;
mod finding;
mod front_page;
mod lints;
mod one_version_table;
mod tiers;

use std::path::Path;

use self::finding::Finding;
use crate::telemetry::Registry;
use crate::workspace::Workspace;
use crate::{Result, defaults, slo, telemetry};

struct Rule {
    /// What holds where the rule finds nothing.
    keeps: &'static str,
    check: fn(&Workspace) -> Vec<Finding>,
}

const RULES: &[Rule] = &[
    Rule { keeps: "no leaf depends on a leaf, and core on none of us", check: tiers::check },
    Rule { keeps: "a feature adds API and never changes behaviour", check: feature_behaviour::check },
    Rule { keeps: "every member inherits the lints, and unsafe code is forbidden", check: lints::check },
    Rule { keeps: "no module is named for what it is not about", check: catch_all_names::check },
    Rule { keeps: "every version stands once, in the root manifest", check: one_version_table::check },
    Rule {
        keeps: "versions in READMEs and docs are the ones that we build with",
        check: doc_versions::check,
    },
    Rule { keeps: "every published crate has a front page", check: front_page::check },
];

/// Checks every rule, then that what is generated is current.
///
/// # Errors
/// Where anything was found; each finding has been printed.
pub(crate) fn run() -> Result {
    let workspace = Workspace::read(Path::new("."))?;
    let mut broken = 0;
    for Rule { keeps, check } in RULES {
        let findings = check(&workspace);
        println!("{} {keeps}", if findings.is_empty() { "ok    " } else { "BROKEN" });
        for finding in &findings {
            println!("         {finding}");
        }
        broken += findings.len();
    }
    // They build the facade, so that they come after what needs no build.
    let registry = Registry::read()?;
    for (keeps, generated) in [
        ("docs/defaults.md is what the table of settings says", defaults::generated()),
        (
            "docs/telemetry.md is what the lists of metrics and fields say",
            Ok(telemetry::generated(&registry)),
        ),
        ("slo/ is what the list of metrics says", slo::generated(&registry)),
    ] {
        match generated.and_then(|generated| generated.check()) {
            Ok(()) => println!("ok     {keeps}"),
            Err(error) => {
                println!("BROKEN {keeps}\n         {error}");
                broken += 1;
            }
        }
    }
    if broken == 0 { Ok(()) } else { Err(format!("tidy found what is listed above ({broken})").into()) }
}
