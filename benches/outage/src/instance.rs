//! The service as a process, and what its operator can ask it.

use std::{
    env,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{Result, http, server::Kind, service};

/// Killed when it is dropped.
pub(crate) struct Instance {
    process: Child,
    /// Where requests go.
    pub(crate) listen: SocketAddr,
    /// Where probes go.
    pub(crate) admin: SocketAddr,
}

/// How many runs of a check have ended, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) passes: u64,
    pub(crate) failures: u64,
}

impl Instance {
    /// Starts it, and waits until it is ready.
    pub(crate) async fn start(postgres: SocketAddr, redis: SocketAddr) -> Result<Self> {
        let [listen, admin] = free_addresses()?;
        let process = Command::new(env::current_exe()?)
            .args([service::ROLE, &postgres.to_string(), &redis.to_string()])
            .env_clear()
            .env("MACADAM_LISTEN", listen.to_string())
            .env("MACADAM_ADMIN_LISTEN", admin.to_string())
            .env("MACADAM_TELEMETRY_LOGS", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let instance = Self { process, listen, admin };
        let until = Instant::now() + START;
        while !instance.is_ready().await.unwrap_or(false) {
            if Instant::now() > until {
                let answer = http::get(admin, "/readyz").await;
                return Err(format!("the service is not ready: {answer:?}").into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(instance)
    }

    pub(crate) async fn is_ready(&self) -> Result<bool> {
        Ok(http::get(self.admin, "/readyz").await?.0 == 200)
    }

    /// What `/readyz` says of the check of this server, or nothing where that is just `ok`.
    pub(crate) async fn reason(&self, kind: Kind) -> Result<Option<String>> {
        let (_, text) = http::get(self.admin, "/readyz?verbose").await?;
        let begin = format!("[-]{} failed: ", kind.check());
        Ok(text.lines().find_map(|line| line.strip_prefix(&begin)).map(str::to_owned))
    }

    pub(crate) async fn counts(&self, kind: Kind) -> Result<Counts> {
        let (_, text) = http::get(self.admin, "/status").await?;
        let status: Value = serde_json::from_str(&text)?;
        let gauge = |name: &str| {
            let gauges = status["gauges"].as_array()?;
            let of_check = |gauge: &&Value| gauge["name"] == name && gauge["labels"]["check"] == kind.check();
            gauges.iter().find(of_check)?["value"].as_f64()
        };
        let runs = gauge("macadam_health_check_runs_total").ok_or("the status has no runs")?;
        let failures = gauge("macadam_health_check_failures_total").ok_or("the status has no failures")?;
        Ok(Counts { passes: (runs - failures) as u64, failures: failures as u64 })
    }

    /// By SIGTERM, as its platform does.
    pub(crate) async fn stop(mut self) -> Result {
        kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        let until = Instant::now() + STOP;
        loop {
            match self.process.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("the service ended with {status}").into()),
                None if Instant::now() > until => return Err("the service does not stop".into()),
                None => sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It has ended already where all went well, and then both are refused.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Two ports that nobody holds: both are taken before either is let go, so that they differ.
fn free_addresses() -> Result<[SocketAddr; 2]> {
    let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([listeners[0].local_addr()?, listeners[1].local_addr()?])
}

const START: Duration = Duration::from_secs(15);
const STOP: Duration = Duration::from_secs(15);
