//! rotel, an OpenTelemetry collector that prints what it decodes.

use std::env;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::decoded::Decoded;
use crate::line::Line;
use crate::service::free_addresses;
use crate::stopwatch::poll;
use crate::{Result, debian};

/// A running collector, killed when it is dropped.
pub(super) struct Rotel {
    process: Child,
    printed: PathBuf,
    /// Where it takes OTLP over HTTP.
    pub(super) address: SocketAddr,
}

/// The collector's program, from PyPI where it is missing: the file of one hash, which is built for Debian 12.
///
/// # Errors
/// Where it cannot be had, or does not run.
pub(super) fn install(folder: &Path) -> Result<PathBuf> {
    let program = folder.join("rotel/rotel-agent");
    if !program.exists() {
        let pip = "python3 -m pip";
        if Line::new(pip).word("--version").output().is_err() {
            debian::install(&["python3-pip"])?;
        }
        Line::new(pip)
            .env("PIP_ROOT_USER_ACTION", "ignore")
            .word("install")
            .word("--target")
            .word(folder.to_string_lossy())
            .word("--upgrade")
            .word("--no-deps")
            .word("--only-binary=:all:")
            .word("--python-version=3.11")
            .word("--require-hashes")
            .word("--requirement")
            .word("xtask/src/collectors/rotel.txt")
            .run()?;
    }
    let runs = || {
        let mut command = Command::new(&program);
        command
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    // It has a Python in it that it finds on the machine.
    if !runs() {
        debian::install(&["libpython3.11"])?;
    }
    if runs() { Ok(program) } else { Err(format!("{} does not run here", program.display()).into()) }
}

impl Rotel {
    /// Has what it prints written into the folder.
    ///
    /// # Errors
    /// Where it does not start.
    pub(super) fn start(program: &Path, folder: &Path) -> Result<Self> {
        let [http, grpc] = free_addresses()?;
        let line = Line::new(&program.to_string_lossy())
            .word("start")
            .word("--exporter=blackhole")
            .word("--debug-log=metrics")
            .word("--debug-log=traces")
            .word("--debug-log=logs")
            .word("--debug-log-verbosity=detailed")
            .word(format!("--otlp-http-endpoint={http}"))
            .word(format!("--otlp-grpc-endpoint={grpc}"));
        println!("$ {line} &");
        let printed = folder.join("rotel.log");
        let log = File::create(&printed)?;
        let mut command = line.command();
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ROTEL_")) {
            command.env_remove(name);
        }
        let process = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut rotel = Self { process, printed, address: http };
        let listens = poll(START, || {
            if let Some(status) = rotel.process.try_wait()? {
                return Err(
                    format!("the collector has ended: {status}; see {}", rotel.printed.display()).into()
                );
            }
            Ok(std::net::TcpStream::connect(http).ok())
        })?;
        listens.map(|_| rotel).ok_or_else(|| "the collector does not listen".into())
    }

    /// What it has decoded by its end, which comes by SIGTERM.
    ///
    /// # Errors
    /// Where it does not end, or printed no text.
    pub(super) fn decoded(mut self) -> Result<Decoded> {
        kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        poll(STOP, || Ok(self.process.try_wait()?))?.ok_or("the collector does not end")?;
        Ok(Decoded::parse(&fs::read_to_string(&self.printed)?))
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        // It has ended already where all went well, and then both are refused.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const START: Duration = Duration::from_secs(20);
const STOP: Duration = Duration::from_secs(20);
