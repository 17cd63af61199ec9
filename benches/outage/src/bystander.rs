//! Who should notice nothing: the platform that asks whether the process lives, and requests that need no server.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{http, instance::Instance};

/// Asks again and again, in the background.
pub(crate) struct Bystanders {
    is_over: Arc<AtomicBool>,
    probes: JoinHandle<Tally>,
    requests: JoinHandle<Tally>,
}

/// What all of them had to wait and to hear.
pub(crate) struct Witnessed {
    probes: Tally,
    requests: Tally,
}

#[derive(Default)]
struct Tally {
    asked: u32,
    worst: Duration,
    failures: Vec<String>,
}

impl Bystanders {
    pub(crate) fn start(instance: &Instance) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ask = |address, target| tokio::spawn(ask(address, target, Arc::clone(&is_over)));
        let (probes, requests) = (ask(instance.admin, "/livez"), ask(instance.listen, "/"));
        Self { is_over, probes, requests }
    }

    pub(crate) async fn end(self) -> Witnessed {
        self.is_over.store(true, Relaxed);
        let failed =
            |error: tokio::task::JoinError| Tally { failures: vec![error.to_string()], ..Tally::default() };
        Witnessed {
            probes: self.probes.await.unwrap_or_else(failed),
            requests: self.requests.await.unwrap_or_else(failed),
        }
    }
}

async fn ask(address: SocketAddr, target: &str, is_over: Arc<AtomicBool>) -> Tally {
    let mut tally = Tally::default();
    while !is_over.load(Relaxed) {
        let begun = Instant::now();
        let answer = http::get(address, target).await;
        tally.asked += 1;
        tally.worst = tally.worst.max(begun.elapsed());
        if !matches!(answer, Ok((200, _))) && tally.failures.len() < FAILURES_KEPT {
            tally.failures.push(format!("{answer:?}"));
        }
        sleep(PAUSE).await;
    }
    tally
}

impl Witnessed {
    pub(crate) fn is_good(&self) -> bool {
        [&self.probes, &self.requests].iter().all(|tally| tally.failures.is_empty() && tally.worst < PROMPT)
    }
}

impl fmt::Display for Witnessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "All the while, `/livez` was 200: {}; and so were requests that need no server: {}.",
            self.probes, self.requests
        )
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, worst, failures } = self;
        write!(f, "{asked} answers, the slowest after {} ms", worst.as_millis())?;
        if failures.is_empty() { Ok(()) } else { write!(f, ", **but for** {}", failures.join(", ")) }
    }
}

const PAUSE: Duration = Duration::from_millis(10);
/// On a machine that is busy.
const PROMPT: Duration = Duration::from_secs(1);
const FAILURES_KEPT: usize = 3;
