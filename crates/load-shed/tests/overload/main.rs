//! The gate before a pool of sixteen slots that more is asked of than it has, in paused time.
#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

mod shares;

use std::{convert::Infallible, sync::Arc};

use http::{Request, Response};
use http_body_util::Empty;
use macadam_load_shed::{LoadShedHandle, LoadShedLayer};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Duration, Instant, sleep, sleep_until, timeout},
};
use tower::{Layer, ServiceExt, service_fn};

const SLOTS: usize = 16;
const SERVICE: Duration = Duration::from_millis(20);
/// What the pool does in a second: a timer goes by whole milliseconds, so that a request takes half of one longer.
const CAPACITY: f64 = 765.0;
/// Clients give up then.
const PATIENCE: Duration = Duration::from_millis(500);

/// Requests of one kind.
struct Stream {
    /// Whose they are, for the functions of the head.
    client: u16,
    /// How many of them come, in capacities.
    load: f64,
}

/// What became of the requests of one stream.
#[derive(Debug, Default)]
struct Account {
    sent: u32,
    good: u32,
}

impl Account {
    fn served(&self) -> f64 {
        f64::from(self.good) / f64::from(self.sent)
    }
}

struct Random(ChaCha8Rng);

impl Random {
    /// Exponential, with this mean.
    fn wait(&mut self, mean: Duration) -> Duration {
        let uniform = (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        mean.mul_f64(-(1.0 - uniform).ln())
    }
}

/// Offers the streams to the layer for so long; what is sent in the first part of it is not counted.
async fn offer(
    layer: LoadShedLayer,
    streams: &[Stream],
    not_counted: Duration,
    counted: Duration,
) -> (Vec<Account>, LoadShedHandle) {
    let (layer, handle) = layer.pair();
    let pool = Arc::new(Semaphore::new(SLOTS));
    let service = layer.layer(service_fn(move |request: Request<()>| {
        let pool = Arc::clone(&pool);
        async move {
            let _slot = pool.acquire().await.unwrap();
            sleep(*request.extensions().get::<Duration>().unwrap()).await;
            Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
        }
    }));
    let (start, mut sent) = (Instant::now(), JoinSet::new());
    for (nth, stream) in streams.iter().enumerate() {
        let mut random = Random(ChaCha8Rng::seed_from_u64(nth as u64));
        let mut due = start;
        loop {
            due += random.wait(Duration::from_secs_f64(1.0 / (CAPACITY * stream.load)));
            if due > start + not_counted + counted {
                break;
            }
            let mut request = Request::get("/").header("client", stream.client).body(()).unwrap();
            request.extensions_mut().insert(random.wait(SERVICE));
            let service = service.clone();
            sent.spawn(async move {
                sleep_until(due).await;
                let answer = timeout(PATIENCE, service.oneshot(request)).await;
                let is_good = answer.is_ok_and(|answer| answer.unwrap().status().is_success());
                (nth, due > start + not_counted, is_good)
            });
        }
    }
    let mut accounts: Vec<_> = streams.iter().map(|_| Account::default()).collect();
    while let Some(done) = sent.join_next().await {
        let (nth, counts, is_good) = done.unwrap();
        accounts[nth].sent += u32::from(counts);
        accounts[nth].good += u32::from(counts && is_good);
    }
    (accounts, handle)
}
