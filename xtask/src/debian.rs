//! Programs of Debian's that a chore needs and that are no crate.

use std::process::{Command, Stdio};

use rustix::process::geteuid;

use crate::Result;
use crate::line::Line;

/// Installs packages, without starting what is in them.
///
/// # Errors
/// Where that fails, or where we are not root and may not become it: the error says what to type.
pub(crate) fn install(packages: &[&str]) -> Result {
    if packages.is_empty() {
        return Ok(());
    }
    let may_sudo = || Line::new("sudo -n true").output().is_ok();
    let apt = match geteuid().is_root() {
        // As if in single-user mode, by invoke-rc.d(8): otherwise servers would be started, on all addresses.
        true => "env RUNLEVEL=1 apt-get",
        false if may_sudo() => "sudo env RUNLEVEL=1 apt-get",
        false => {
            let missing = packages.join(" ");
            return Err(format!(
                "there is no {missing}, and neither root nor sudo to install it: `apt-get install {missing}`"
            )
            .into());
        }
    };
    Line::new(apt).word("update").run()?;
    let install = Line::new(apt).word("install").word("--yes").word("--no-install-recommends");
    packages.iter().copied().fold(install, Line::word).run()
}

/// Whether there is such a program.
pub(crate) fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
