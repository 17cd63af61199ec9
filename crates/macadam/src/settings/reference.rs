//! `docs/defaults.md`, from the table of keys.

use std::fmt::Write;

use super::{Profile, Settings, keys::KEYS};

impl Settings {
    /// All settings, as the Markdown of `docs/defaults.md`: what each is, its default, and why.
    pub fn reference() -> String {
        let mut page = String::from(HEAD);
        let prod = Self::of_profile(Profile::Prod);
        let dev = Self::of_profile(Profile::Dev);
        for key in KEYS {
            let (in_prod, in_dev) = ((key.show)(&prod), (key.show)(&dev));
            let default = match key.path {
                // What these are depends on where the page is written.
                "name" => "the executable's name".to_owned(),
                "profile" => "`prod` without debug assertions, else `dev`".to_owned(),
                _ if in_prod == in_dev => format!("`{in_prod}`"),
                _ => format!("`{in_prod}`, in dev `{in_dev}`"),
            };
            let _ = write!(
                page,
                "\n## `{}`\n\n{}\n\n- default: {default}\n- takes: {}\n- environment: `{}`\n- why: {}\n",
                key.path,
                key.doc,
                (key.expects)(&prod),
                key.variable(),
                key.reason,
            );
        }
        page
    }
}

const HEAD: &str = "\
# Settings and their defaults

<!-- Written by `cargo xtask defaults` from the table of keys in crates/macadam/src/settings/keys.rs. -->

A setting is read from `macadam.toml` in the working directory, or from the file that `MACADAM_CONFIG` names, then from
the environment; the environment wins. `timeouts.request` is the key `request` of the table `[timeouts]`, and
`MACADAM_TIMEOUTS_REQUEST`. Durations are written `250ms`, `3s`, `5m`; sizes `64KiB`, `1MiB`. The table `[app]` is the
service's own. A key that does not exist is refused, with the nearest name that does; variables that Kubernetes sets for
a Service called `macadam…` are passed over.
";
