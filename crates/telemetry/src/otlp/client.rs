//! The one who talks to the collector.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{flush::Flush, plan::Target};
use crate::text::Chain;

/// Sends the requests of one signal, again and again until they are taken or their time is over.
pub(crate) struct Courier {
    client: Client<HttpConnector, Full<Bytes>>,
    target: Target,
    flush: watch::Receiver<Flush>,
    /// What was said last of the collector. More is said when it changes, and never in between.
    said: Said,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    /// It takes what it is sent.
    Well,
    /// It does not, and is asked again.
    Waits,
    /// It has not taken something to its end.
    Lost,
}

/// Why the collector did not take a request.
enum Refusal {
    /// It may take it later.
    Later(String),
    /// It never will.
    Never(String),
}

impl Courier {
    pub(crate) fn new(target: Target, flush: watch::Receiver<Flush>) -> Self {
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1).build_http();
        Self { client, target, flush, said: Said::Well }
    }

    /// The answer of the collector, or nothing where the request is lost.
    pub(crate) async fn deliver(&mut self, body: Bytes, patience: Duration) -> Option<Bytes> {
        let given_up = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        let mut problem = "it took too long".to_owned();
        let delivered = loop {
            // One whose time is over is no matter of this request's.
            let flush = self.flush.borrow_and_update().until.filter(|until| *until > Instant::now());
            let until = flush.map_or(given_up, |flush| flush.min(given_up));
            let attempt = tokio::select! {
                attempt = timeout(self.target.timeout, self.post(body.clone())) => attempt,
                // The attempt goes on while a flush begins, and may take what that leaves.
                () = expired(self.flush.clone(), until) => break None,
            };
            match attempt {
                Ok(Ok(answer)) => break Some(answer),
                Ok(Err(Refusal::Never(said))) => {
                    problem = said;
                    break None;
                }
                Ok(Err(Refusal::Later(said))) => problem = said,
                Err(_) => problem = format!("no answer within {:?}", self.target.timeout),
            }
            self.waits(&problem, patience);
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                // Whoever waits for a flush does not wait for a pause.
                Ok(()) = self.flush.changed() => pause = FIRST_PAUSE,
                () = sleep_until(until) => break None,
            }
        };
        match delivered {
            Some(_) => self.is_well(),
            None => self.has_lost(&problem),
        }
        delivered
    }

    async fn post(&self, body: Bytes) -> Result<Bytes, Refusal> {
        let mut request = Request::post(self.target.url.clone())
            .body(Full::new(body))
            .map_err(|error| Refusal::Never(error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-protobuf"));
        headers.insert(header::USER_AGENT, header::HeaderValue::from_static(AGENT));
        headers.extend(self.target.headers.clone());
        let answer = self.client.request(request).await.map_err(|error| later(&error))?;
        let status = answer.status();
        let answer = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
        match status {
            _ if status.is_success() => {
                Ok(answer.map_err(|error| Refusal::Later(error.to_string()))?.to_bytes())
            }
            // Those that the protocol's specification names.
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(Refusal::Later(status.to_string())),
            StatusCode::NOT_FOUND => {
                Err(Refusal::Never(format!("{status}: nobody takes OTLP over HTTP there")))
            }
            _ => Err(Refusal::Never(status.to_string())),
        }
    }

    fn waits(&mut self, problem: &str, patience: Duration) {
        let (signal, collector) = (self.target.signal.as_str(), self.target.collector());
        if self.said == Said::Well {
            self.said = Said::Waits;
            tracing::warn!(
                collector,
                "the collector does not take {signal} yet, and is asked again for {patience:?}: {problem}"
            );
        }
    }

    fn has_lost(&mut self, problem: &str) {
        let (signal, collector) = (self.target.signal.as_str(), self.target.collector());
        if self.said != Said::Lost {
            self.said = Said::Lost;
            tracing::warn!(collector, "{signal} are lost, since the collector does not take them: {problem}");
        }
    }

    fn is_well(&mut self) {
        let (signal, collector) = (self.target.signal.as_str(), self.target.collector());
        if self.said != Said::Well {
            self.said = Said::Well;
            tracing::info!(collector, "the collector takes {signal} again");
        }
    }
}

fn later(error: &hyper_util::client::legacy::Error) -> Refusal {
    Refusal::Later(Chain(error).to_string())
}

/// When that time has come, or the end of a flush that began meanwhile.
async fn expired(mut flush: watch::Receiver<Flush>, until: Instant) {
    let flushed = async {
        // Where nobody is left who could ask for one, none comes.
        while flush.changed().await.is_ok() {
            let until = flush.borrow_and_update().until;
            if let Some(until) = until {
                return sleep_until(until).await;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = sleep_until(until) => {}
        () = flushed => {}
    }
}

const AGENT: &str = concat!("macadam-telemetry/", env!("CARGO_PKG_VERSION"));
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// An answer says how many were not taken, and in a sentence why.
const LONGEST_ANSWER: usize = 64 << 10;
