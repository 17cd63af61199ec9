//! More requests than the service can answer.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::Builder,
    sync::Semaphore,
    time::{Instant, sleep_until},
};

use crate::client::Client;

/// What is offered.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    /// Requests a second, at a steady rate.
    pub(crate) rate: u32,
}

/// What became of it, in requests a second.
pub(crate) struct Offered {
    pub(crate) sent: f64,
    pub(crate) served: f64,
    pub(crate) shed: f64,
}

#[derive(Default)]
struct Shared {
    sent: AtomicU64,
    served: AtomicU64,
    shed: AtomicU64,
}

impl Load {
    /// Offers it while `act` runs.
    pub(crate) fn during<R>(self, act: impl FnOnce() -> R) -> (R, Offered) {
        let (stop, shared) = (Arc::new(AtomicBool::new(false)), Arc::new(Shared::default()));
        let (stopped, counts) = (Arc::clone(&stop), Arc::clone(&shared));
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
            runtime.block_on(self.offer(&stopped, &counts));
        });
        pause(WARM_UP);
        let (start, before) = (Instant::now(), shared.counts());
        let done = act();
        let (length, after) = (start.elapsed().as_secs_f64(), shared.counts());
        stop.store(true, Relaxed);
        thread.join().expect("a generator counts what fails");
        let [sent, served, shed] = [0, 1, 2].map(|nth| (after[nth] - before[nth]) as f64 / length);
        (done, Offered { sent, served, shed })
    }

    async fn offer(self, stop: &AtomicBool, shared: &Arc<Shared>) {
        let waiting = Arc::new(Semaphore::new(0));
        for _ in 0..CONNECTIONS {
            tokio::spawn(self.work(Arc::clone(shared), Arc::clone(&waiting)));
        }
        let mut due = Instant::now();
        while !stop.load(Relaxed) {
            // In bursts of what is due in a millisecond, which is how fine the timer is.
            due += Duration::from_millis(1);
            sleep_until(due).await;
            waiting.add_permits((self.rate / 1000) as usize);
        }
    }

    /// A connection, for as long as the runtime. What waits for one is sent late: no client opens thousands.
    async fn work(self, shared: Arc<Shared>, waiting: Arc<Semaphore>) {
        let mut client = None;
        loop {
            let Ok(permit) = waiting.acquire().await else { return };
            permit.forget();
            if client.is_none() {
                client = Client::connect(self.address).await.ok();
            }
            let Some(open) = &mut client else { continue };
            shared.sent.fetch_add(1, Relaxed);
            match open.get(self.path).await {
                Ok(answer) => {
                    let count = if answer.status == 200 { &shared.served } else { &shared.shed };
                    count.fetch_add(1, Relaxed);
                    client = client.filter(|_| answer.keeps);
                }
                Err(_) => client = None,
            }
        }
    }
}

impl Shared {
    fn counts(&self) -> [u64; 3] {
        [&self.sent, &self.served, &self.shed].map(|count| count.load(Relaxed))
    }
}

#[expect(clippy::disallowed_methods, reason = "for threads without a runtime")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

const CONNECTIONS: usize = 512;
const WARM_UP: Duration = Duration::from_secs(1);
