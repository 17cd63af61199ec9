//! Requests of every kind that a service tells apart, and what is to be told of each.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use super::client;
use crate::Result;
use crate::stopwatch::Stopwatch;

/// A request to `examples/torture`, and what is to be told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) target: &'static str,
    pub(super) version: &'static str,
    /// Lines of the head, each with its end.
    pub(super) headers: &'static str,
    pub(super) body: &'static str,
    pub(super) stays: Stays,
    /// The template that it matches.
    route: Option<&'static str>,
    /// Of the answer, if there is one.
    status: Option<u16>,
    error: Option<&'static str>,
}

/// How long the client stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stays {
    ToTheEnd,
    /// It hangs up when the first of the body has come, or the connection has been upgraded.
    ForTheHead,
    /// It hangs up while the service still thinks.
    ForNothing,
}

/// A request that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// It says so itself, as its request id.
    pub(super) number: u64,
    pub(super) ask: Ask,
    /// Instead of what is said of it otherwise.
    is_shed: bool,
}

/// The settings under which the requests end as they do: clocks that a test can wait for, and a few slots. Who waits for one does
/// so for less time than a client that hangs up.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("MACADAM_TIMEOUTS_REQUEST", "1s"),
    ("MACADAM_TIMEOUTS_REQUEST_BODY_IDLE", "300ms"),
    ("MACADAM_LOAD_SHED_MAX_IN_FLIGHT", "16"),
    ("MACADAM_LOAD_SHED_QUEUE_WAIT", "200ms"),
    ("MACADAM_LOAD_SHED_TARGET_LAG", "1s"),
    // Nobody is there.
    ("TORTURE_NEXT", "http://127.0.0.1:1"),
    // Of a build with debug information they take longer than all else.
    ("RUST_BACKTRACE", "0"),
    ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.namespace=e2e"),
];

/// In all that a peer chooses, and so in no metric.
pub(super) const CANARY: &str = "canary";
/// The trace of the caller that says it is in one, and its span.
pub(super) const CALLER: [&str; 2] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
/// The values of secrets in a query.
pub(super) const SECRET: &str = "hunter2";

/// Requests that hold all slots at once, so that others are shed.
const CROWD: usize = 64;
const CROWDS: Ask = Ask::get("/io?ms=300").on("/io");

/// One in five of those that are not shed takes longer than 250 ms, so that the alerts on latency have something to say.
const ASKS: &[Ask] = &[
    Ask::get("/io?ms=1").on("/io"),
    Ask { method: "HEAD", ..Ask::get("/io?ms=1").on("/io") },
    Ask { headers: "content-length: 5\r\n", body: "hello", ..Ask::post("/upload").on("/upload") },
    Ask::get("/bytes?n=100000").on("/bytes"),
    Ask { headers: "user-agent: canary/1.0\r\n", ..Ask::get("/context").on("/context") },
    Ask {
        headers: "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
        ..Ask::get("/stream?frames=3&every=10").on("/stream")
    },
    Ask::get(SECRETS).on("/io"),
    Ask::get("/canary/4711").answered(404),
    Ask::post("/io").on("/io").answered(405),
    Ask { method: "CANARY", ..Ask::get("/io").on("/io").answered(405) },
    Ask { method: "QUERY", ..Ask::get("/io").on("/io").answered(405) },
    Ask { headers: "content-length: 2000000\r\n", ..Ask::post("/upload").on("/upload").answered(413) },
    Ask { version: "HTTP/1.0", ..Ask::get("/io?ms=1").on("/io") },
    Ask { version: "HTTP/2", ..Ask::get("/io?ms=1").on("/io") },
    Ask::get("/chain?ms=1").on("/chain").answered(502).fails("502"),
    Ask::get("/panic").on("/panic").answered(500).fails("panic"),
    Ask::get("/io?ms=5000").on("/io").answered(504).fails("timeout"),
    Ask {
        headers: "content-length: 5\r\n",
        body: "hell",
        ..Ask::post("/upload").on("/upload").answered(408).fails("timeout")
    },
    Ask::get("/io?ms=300").on("/io"),
    Ask { stays: Stays::ForNothing, status: None, ..Ask::get("/pool?ms=900").on("/pool").fails("cancelled") },
    Ask {
        stays: Stays::ForTheHead,
        ..Ask::get("/stream?frames=50&every=100").on("/stream").fails("cancelled")
    },
    Ask { stays: Stays::ForTheHead, ..Ask::get("/sse").on("/sse").fails("cancelled") },
    Ask {
        headers: "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        stays: Stays::ForTheHead,
        ..Ask::get("/ws").on("/ws").answered(101)
    },
    Ask::get(PROBE),
];

const SECRETS: &str = "/io?ms=1&AWSAccessKeyId=hunter2&Signature=hunter2&sig=hunter2&X-Amz-Credential=hunter2&X-Amz-Security-Token=hunter2&X-Amz-Signature=hunter2&X-Goog-Signature=hunter2";
/// Of which nothing is told.
const PROBE: &str = "/livez";

impl Ask {
    const fn get(target: &'static str) -> Self {
        Self {
            method: "GET",
            target,
            version: "HTTP/1.1",
            headers: "",
            body: "",
            stays: Stays::ToTheEnd,
            route: None,
            status: Some(200),
            error: None,
        }
    }

    const fn post(target: &'static str) -> Self {
        Self { method: "POST", ..Self::get(target) }
    }

    const fn on(self, route: &'static str) -> Self {
        Self { route: Some(route), ..self }
    }

    const fn answered(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    const fn fails(self, error: &'static str) -> Self {
        Self { error: Some(error), ..self }
    }

    /// # Errors
    /// Where it is answered otherwise than it should be.
    fn send(self, to: SocketAddr) -> Result<Sent> {
        static SENT: AtomicU64 = AtomicU64::new(0);
        let number = SENT.fetch_add(1, Relaxed);
        let status = client::send(to, &self, &id(number))?;
        let is_shed = status == Some(503);
        if status != self.status && !is_shed {
            let Self { method, target, status: expected, .. } = self;
            return Err(format!("{method} {target} was answered with {status:?}, not {expected:?}").into());
        }
        Ok(Sent { number, ask: self, is_shed })
    }
}

impl Sent {
    /// Its request id.
    pub(super) fn id(&self) -> String {
        id(self.number)
    }

    /// Whether anything is to be told of it.
    pub(super) fn is_told(&self) -> bool {
        self.ask.target != PROBE
    }

    /// Whether it has its place apart, since how long it was is its client's affair.
    pub(super) fn is_stream(&self) -> bool {
        ["/sse", "/ws"].contains(&self.ask.target) && !self.is_shed
    }

    pub(super) fn is_shed(&self) -> bool {
        self.is_shed
    }

    pub(super) fn method(&self) -> &'static str {
        if self.ask.method == "CANARY" { "_OTHER" } else { self.ask.method }
    }

    /// What is shed never came to the routes.
    pub(super) fn route(&self) -> Option<&'static str> {
        self.ask.route.filter(|_| !self.is_shed)
    }

    pub(super) fn status(&self) -> Option<u16> {
        if self.is_shed { Some(503) } else { self.ask.status }
    }

    pub(super) fn error(&self) -> Option<&'static str> {
        if self.is_shed { Some("shed") } else { self.ask.error }
    }

    /// As `network.protocol.version` has it.
    pub(super) fn version(&self) -> &'static str {
        self.ask.version.trim_start_matches("HTTP/")
    }

    pub(super) fn path_and_query(&self) -> (&'static str, Option<&'static str>) {
        match self.ask.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.ask.target, None),
        }
    }
}

fn id(number: u64) -> String {
    format!("e2e-{number}")
}

/// Sends all kinds again and again for so long, and at least once, by some clients at once, and then the crowd.
///
/// # Errors
/// Where a request is answered otherwise than it should be.
pub(super) fn run(to: SocketAddr, time: Duration) -> Result<Vec<Sent>> {
    let stopwatch = Stopwatch::start();
    let rounds = || {
        let mut sent = Vec::new();
        loop {
            for ask in ASKS {
                sent.push(ask.send(to).map_err(|error| error.to_string())?);
            }
            if stopwatch.elapsed() >= time {
                return Ok(sent);
            }
        }
    };
    let mut sent = at_once(CLIENTS, rounds)?;
    sent.extend(at_once(CROWD, || Ok(vec![CROWDS.send(to).map_err(|error| error.to_string())?]))?);
    Ok(sent)
}

fn at_once(
    clients: usize,
    send: impl Fn() -> std::result::Result<Vec<Sent>, String> + Sync,
) -> Result<Vec<Sent>> {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(&send)).collect();
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.join().map_err(|_| "a client panicked")??);
        }
        Ok(all)
    })
}

/// Fewer than slots.
const CLIENTS: usize = 4;

#[cfg(test)]
impl Sent {
    /// One of each kind, as if it had been sent.
    pub(super) fn all() -> Vec<Self> {
        (0..).zip(ASKS).map(|(number, ask)| Self { number, ask: *ask, is_shed: false }).collect()
    }
}
