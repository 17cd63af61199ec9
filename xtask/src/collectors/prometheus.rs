//! Debian's Prometheus, which scrapes one service every second.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::line::Line;
use crate::service::free_addresses;
use crate::stopwatch::poll;
use crate::{Result, debian, http};

/// A running Prometheus, killed when it is dropped.
pub(super) struct Prometheus {
    process: Child,
    address: SocketAddr,
}

/// What Prometheus calls the service.
pub(super) const JOB: &str = "torture";

/// Prometheus and promtool, which are in one package.
pub(super) fn install() -> Result {
    if debian::has("prometheus") && debian::has("promtool") {
        Ok(())
    } else {
        debian::install(&["prometheus"])
    }
}

impl Prometheus {
    /// Keeps all that it writes in the folder, and listens on the loopback alone.
    ///
    /// # Errors
    /// Where it does not start.
    pub(super) fn start(folder: &Path, target: SocketAddr) -> Result<Self> {
        let [address, _] = free_addresses()?;
        let (config, data) = (folder.join("prometheus.yml"), folder.join("prometheus"));
        fs::write(&config, configured(&fs::canonicalize("slo/rules.yml")?, target))?;
        let line = Line::new("prometheus --enable-feature=exemplar-storage --log.level=warn")
            .word(format!("--config.file={}", config.display()))
            .word(format!("--storage.tsdb.path={}", data.display()))
            .word(format!("--web.listen-address={address}"));
        println!("$ {line} &");
        let log = File::create(folder.join("prometheus.log"))?;
        let process = line.command().stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut prometheus = Self { process, address };
        let ready = poll(START, || {
            if let Some(status) = prometheus.process.try_wait()? {
                return Err(
                    format!("prometheus has ended: {status}; see prometheus.log in {folder:?}").into()
                );
            }
            Ok(http::get(address, "/-/ready").ok().filter(|answer| answer.status == 200))
        })?;
        ready.map(|_| prometheus).ok_or_else(|| "prometheus is not ready".into())
    }

    /// What it answers to an instant query.
    ///
    /// # Errors
    /// Where it does not take the query for one.
    pub(super) fn query(&self, query: &str) -> Result<Vec<Value>> {
        let data = self.api(&format!("query?query={}", encoded(query)))?;
        let result = data["result"].as_array().cloned();
        result.ok_or_else(|| format!("no result: {data}").into())
    }

    /// The one figure that it answers with, if there is one.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub(super) fn figure(&self, query: &str) -> Result<Option<f64>> {
        let result = self.query(query)?;
        Ok(result.first().and_then(|one| one["value"][1].as_str()?.parse().ok()))
    }

    /// The `data` of an answer.
    ///
    /// # Errors
    /// Where the answer is no success, with what Prometheus says.
    pub(super) fn api(&self, path: &str) -> Result<Value> {
        let answer = http::get(self.address, &format!("/api/v1/{path}"))?;
        let mut said: Value = serde_json::from_str(&answer.body)?;
        match said["status"].as_str() {
            Some("success") => Ok(said["data"].take()),
            _ => Err(format!("{path}: {}", said["error"]).into()),
        }
    }

    /// Whether its scrapes succeed, waiting for the first.
    ///
    /// # Errors
    /// Where it cannot be asked.
    pub(super) fn is_up(&self) -> Result<bool> {
        let up = poll(START, || Ok(self.figure("up")?.filter(|up| *up == 1.0)))?;
        Ok(up.is_some())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configured(rules: &PathBuf, target: SocketAddr) -> String {
    format!(
        "\
global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 1s
rule_files: [{rules:?}]
scrape_configs:
  - job_name: {JOB}
    static_configs:
      - targets: [\"{target}\"]
"
    )
}

/// As it has to be in a URL.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            // A `String` takes all that is written to it.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

const START: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_encoded_to_its_last_byte() {
        assert_eq!(encoded("a_b{c=\"ä\"}"), "a%5Fb%7Bc%3D%22%C3%A4%22%7D");
    }
}
