//! The status page, in a browser.

use crate::line::Line;
use crate::{Result, debian};

/// Drives it in Debian's Chromium while its service is overloaded, and takes the pictures of the docs.
///
/// # Errors
/// Where there is no browser and none can be installed, or where the page is not as demanded.
pub(crate) fn run() -> Result {
    install_browser()?;
    Line::new("cargo run --package macadam-page -- --pictures docs/status-page").run()
}

/// The same for CI, whose pictures nobody keeps.
pub(crate) fn run_short() -> Result {
    install_browser()?;
    Line::new("cargo run --package macadam-page").run()
}

fn install_browser() -> Result {
    match debian::has("chromium") && debian::has("chromedriver") {
        true => Ok(()),
        false => debian::install(&["chromium", "chromium-driver", "fonts-dejavu-core"]),
    }
}
