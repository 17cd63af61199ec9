//! A service of `examples/` as its operator sees it: a process, two addresses, a signal, an exit code.

use std::env;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;
use crate::http::{self, Answer};
use crate::line::Line;
use crate::stopwatch::{Stopwatch, poll};

/// A running service, killed when it is dropped.
pub(crate) struct Service {
    process: Child,
    /// Where requests go.
    pub(crate) listen: SocketAddr,
    /// Where probes go.
    pub(crate) admin: SocketAddr,
}

impl Service {
    /// Builds the example and starts it, with two free ports and what is given as its only settings. All that it says is on our
    /// terminal.
    ///
    /// # Errors
    /// Where it does not build or start.
    pub(crate) fn start(example: &str, settings: &[(&'static str, &str)]) -> Result<Self> {
        Self::start_saying(example, settings, Stdio::inherit(), Stdio::inherit())
    }

    /// The same with all that it says in a file.
    ///
    /// # Errors
    /// As there, and where the file cannot be written.
    pub(crate) fn start_with_log(
        example: &str,
        settings: &[(&'static str, &str)],
        log: &Path,
    ) -> Result<Self> {
        let file = File::create(log)?;
        println!("  its log is {}", log.display());
        Self::start_saying(example, settings, file.try_clone()?.into(), file.into())
    }

    fn start_saying(
        example: &str,
        settings: &[(&'static str, &str)],
        stdout: Stdio,
        stderr: Stdio,
    ) -> Result<Self> {
        Line::new("cargo build --package").word(example).run()?;
        let [listen, admin] = free_addresses()?;
        // On Unix cargo becomes the program that it runs, so that the signals go to the service.
        let line = Line::new("cargo run --quiet --package")
            .word(example)
            .env("MACADAM_LISTEN", listen.to_string())
            .env("MACADAM_ADMIN_LISTEN", admin.to_string());
        let line = settings.iter().fold(line, |line, (name, value)| line.env(name, *value));
        println!("$ {line} &");
        let mut command = line.command();
        let given = |name: &str| settings.iter().any(|(given, _)| *given == name);
        for (name, _) in env::vars_os() {
            if is_setting(&name.to_string_lossy()) && !given(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        Ok(Self { process: command.stdout(stdout).stderr(stderr).spawn()?, listen, admin })
    }

    /// GETs until it is answered by 200, for at most `patience`.
    ///
    /// # Errors
    /// Where the time is over, with the last answer or error, or where the process has ended.
    pub(crate) fn get_ok(&mut self, address: SocketAddr, target: &str, patience: Duration) -> Result<Answer> {
        let mut last = String::from("nothing was tried");
        let answer = poll(patience, || {
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("the service has ended: {status}").into());
            }
            match http::get(address, target) {
                Ok(answer) if answer.status == 200 => return Ok(Some(answer)),
                Ok(answer) => last = format!("{} {}", answer.status, answer.body),
                Err(error) => last = error.to_string(),
            }
            Ok(None)
        })?;
        let answer = answer.ok_or_else(|| format!("GET {target} was not 200 within {patience:?}: {last}"))?;
        println!("  GET {target}: {} {}", answer.status, answer.body.trim_end());
        Ok(answer)
    }

    /// Asks it to stop by SIGTERM, and waits for its exit for at most `patience`; says how it ended, and how long that took.
    ///
    /// # Errors
    /// Where it is still running then; dropping it kills it.
    pub(crate) fn terminate(mut self, patience: Duration) -> Result<(ExitStatus, Duration)> {
        kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        let stopwatch = Stopwatch::start();
        let status = poll(patience, || Ok(self.process.try_wait()?))?;
        let status = status.ok_or_else(|| format!("the service still ran {patience:?} after SIGTERM"))?;
        let after = stopwatch.elapsed();
        println!("  SIGTERM: {status} after {stopwatch}");
        Ok((status, after))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already where all went well, and then both are refused.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether a variable that we inherited would be a setting of the service, beside the two that it is given.
fn is_setting(name: &str) -> bool {
    let is_ours = name.starts_with("MACADAM_") && !["MACADAM_LISTEN", "MACADAM_ADMIN_LISTEN"].contains(&name);
    is_ours || name.starts_with("OTEL_") || name == "RUST_LOG"
}

/// Two ports that nobody holds: both are taken before either is let go, so that they differ.
pub(crate) fn free_addresses() -> Result<[SocketAddr; 2]> {
    let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([listeners[0].local_addr()?, listeners[1].local_addr()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(line: &str) -> Service {
        let [listen, admin] = free_addresses().unwrap();
        Service { process: Line::new(line).command().spawn().unwrap(), listen, admin }
    }

    #[test]
    fn the_two_addresses_differ() {
        let [listen, admin] = free_addresses().unwrap();
        assert_ne!(listen, admin);
    }

    #[test]
    fn a_process_that_has_ended_is_said_at_once() {
        let mut service = service("false");
        let error = service.get_ok(service.listen, "/", Duration::from_secs(60)).unwrap_err();
        assert!(error.to_string().contains("has ended"), "{error}");
    }

    #[test]
    fn nobody_listening_is_an_error_when_the_time_is_over() {
        let mut service = service("sleep 60");
        let error = service.get_ok(service.listen, "/", Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("was not 200"), "{error}");
    }

    #[test]
    fn an_end_by_the_signal_is_not_a_success() {
        let (status, _) = service("sleep 60").terminate(Duration::from_secs(15)).unwrap();
        assert!(!status.success());
    }

    #[test]
    fn a_service_that_does_not_stop_is_killed_when_it_is_dropped() {
        let service = service("sleep 60");
        let pid = Pid::from_child(&service.process);
        drop(service);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }
}
