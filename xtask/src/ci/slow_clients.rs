//! slowhttptest's four attacks on `examples/torture`, and a healthy client beside them.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::line::Line;
use crate::service::Service;
use crate::stopwatch::{Stopwatch, pause};
use crate::{Result, http};

/// Limits of a few seconds, so that all is over in less than a minute. A reader has five of them, and two for a lump.
const SETTINGS: &[(&str, &str)] = &[
    ("MACADAM_SERVE_FIRST_BYTE", "2s"),
    ("MACADAM_SERVE_HEADER", "3s"),
    ("MACADAM_TIMEOUTS_REQUEST_BODY_IDLE", "3s"),
    ("MACADAM_SERVE_MIN_RATE", "8000"),
    ("MACADAM_TELEMETRY_LOGS", "off"),
];
const ATTACKS: &[Attack] = &[
    Attack { name: "slow headers", options: "-H -i 1 -x 24", target: "/io?ms=1" },
    Attack { name: "slow body", options: "-B -i 1 -x 10", target: "/upload" },
    Attack { name: "slow read", options: "-X -w 256 -y 512 -n 1 -z 32", target: "/bytes?n=1000000" },
    Attack { name: "ranges", options: "-R -a 10 -b 3000", target: "/bytes?n=1000000" },
];
const CONNECTIONS: u64 = 400;
/// From an attack's begin until the last of its connections is gone: a second to open them, the longest limit, and
/// time for a machine that is busy.
const GONE: Duration = Duration::from_secs(14);
const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(15);
/// For an answer to the healthy client, on a machine that is busy.
const PROMPT: Duration = Duration::from_secs(1);

struct Attack {
    name: &'static str,
    options: &'static str,
    target: &'static str,
}

pub(super) fn run() -> Result {
    if Command::new("slowhttptest").arg("-h").stdout(Stdio::null()).status().is_err() {
        Line::new("apt-get install -y slowhttptest").run()?;
    }
    let mut service = Service::start("torture", SETTINGS)?;
    service.get_ok(service.listen, "/io?ms=1", START)?;
    for attack in ATTACKS {
        attack.run(&service)?;
    }
    let (status, _) = service.terminate(STOP)?;
    if status.success() { Ok(()) } else { Err(format!("torture did not end with 0: {status}").into()) }
}

impl Attack {
    fn run(&self, service: &Service) -> Result {
        let before = gauge(service, "macadam_serve_accepted_total")?;
        let mut attackers = self.start(service)?;
        let stopwatch = Stopwatch::start();
        let mut worst = Duration::ZERO;
        let mut served = 0;
        loop {
            let asked = Stopwatch::start();
            let answer = http::get(service.listen, "/io?ms=1")?;
            if answer.status != 200 || asked.elapsed() > PROMPT {
                let took = asked.elapsed();
                return Err(format!(
                    "{}: the healthy client got {} after {took:?}",
                    self.name, answer.status
                )
                .into());
            }
            worst = worst.max(asked.elapsed());
            served += 1;
            let came = gauge(service, "macadam_serve_accepted_total")? - before - served;
            // Our own may not be gone yet.
            let left = gauge(service, "macadam_serve_connections")?;
            if came >= CONNECTIONS && left <= 1 {
                break;
            }
            if stopwatch.elapsed() > GONE {
                return Err(format!(
                    "{}: {left} of {came} connections are left after {stopwatch}",
                    self.name
                )
                .into());
            }
            pause(Duration::from_millis(100));
        }
        println!(
            "  {}: gone after {stopwatch}; a healthy client was served {served} times, within {worst:?}",
            self.name
        );
        let _ = attackers.kill();
        let _ = attackers.wait();
        Ok(())
    }

    fn start(&self, service: &Service) -> Result<Child> {
        let line = Line::new("slowhttptest -l 60 -p 3")
            .word("-c")
            .word(CONNECTIONS.to_string())
            .word("-r")
            .word(CONNECTIONS.to_string());
        let line = self.options.split_whitespace().fold(line, Line::word);
        let line = line.word("-u").word(format!("http://{}{}", service.listen, self.target));
        println!("$ {line} &");
        Ok(line.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
    }
}

/// The figure without labels of this name, from the status page.
fn gauge(service: &Service, name: &str) -> Result<u64> {
    let status = http::get(service.admin, "/status")?;
    value(&status.body, name).ok_or_else(|| format!("there is no {name} in {}", status.body).into())
}

fn value(status: &str, name: &str) -> Option<u64> {
    let (_, rest) = status.split_once(&format!("\"{name}\""))?;
    let (_, rest) = rest.split_once("\"value\":")?;
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_found_by_its_whole_name() {
        let status =
            r#"[{"name": "a_total", "labels": {}, "value": 17.0}, {"name": "a", "labels": {}, "value": 3}]"#;
        assert_eq!(
            (value(status, "a_total"), value(status, "a"), value(status, "b")),
            (Some(17), Some(3), None)
        );
    }
}
