//! The status page, in a browser.

use std::process::{Command, Stdio};

use rustix::process::geteuid;

use crate::Result;
use crate::line::Line;

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
    let is_there = |program: &str| {
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    if is_there("chromium") && is_there("chromedriver") {
        return Ok(());
    }
    let apt = if geteuid().is_root() { "apt-get" } else { "sudo -n apt-get" };
    Line::new(apt).word("update").run()?;
    let install = Line::new(apt).word("install").word("--yes").word("--no-install-recommends");
    install.word("chromium").word("chromium-driver").word("fonts-dejavu-core").run()
}
