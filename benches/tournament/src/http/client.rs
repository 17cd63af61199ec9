//! Requests over connections that are kept: as many as there are requests out, up to a cap.

mod connection;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::Builder,
    sync::{Semaphore, oneshot},
    task::JoinSet,
    time::Instant,
};

use self::connection::Connection;
use super::handler::Handler;
use crate::{
    account::{Account, Record, Verdict},
    race::{Lag, sleep_until},
    schedule::{Arrival, Client, Schedule},
};

/// What came of an open loop.
pub(super) struct Load {
    pub(super) account: Account,
    /// How late the generator was, at the 99th percentile.
    pub(super) lag: Duration,
}

/// Sends every request of `schedule` when it is due. Nobody gives up: a browser's user does, but his request stays in
/// the server's queue all the same. A request for which there is no connection waits for one, and its clock runs.
pub(super) fn offer(address: SocketAddr, handler: Handler, schedule: &Schedule) -> Load {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    let (handle, (stop, stopped)) = (runtime.handle().clone(), oneshot::channel::<()>());
    let thread = thread::spawn(move || {
        // It does not matter whether it was told to stop or let go of.
        let _ = runtime.block_on(stopped);
    });

    let start = Instant::now() + HEAD_START;
    let pool = Arc::new(Pool::new(address, handler, start));
    let mut lag = Lag::default();
    for &Arrival { due, .. } in schedule.arrivals() {
        sleep_until(start + due);
        lag.note(start + due);
        pool.due.lock().expect("nobody panics with it").push_back(due);
        if pool.out.fetch_add(1, Ordering::Relaxed) >= pool.connections.load(Ordering::Relaxed)
            && pool.connections.load(Ordering::Relaxed) < MAX_CONNECTIONS
        {
            pool.connections.fetch_add(1, Ordering::Relaxed);
            handle.spawn(Arc::clone(&pool).work());
        }
        pool.waiting.add_permits(1);
    }
    let last = Instant::now() + GRACE;
    while pool.out.load(Ordering::Relaxed) > 0 && Instant::now() < last {
        sleep_until(Instant::now() + Duration::from_millis(5));
    }
    let _ = stop.send(());
    thread.join().expect("its tasks do not panic");
    Load { account: pool.account(schedule), lag: lag.p99() }
}

/// What connections share.
struct Pool {
    address: SocketAddr,
    handler: Handler,
    start: Instant,
    /// Requests that nobody has taken yet: one permit each.
    due: Mutex<VecDeque<Duration>>,
    waiting: Semaphore,
    /// Requests that have not been answered yet, those that wait included.
    out: AtomicUsize,
    connections: AtomicUsize,
    ended: Mutex<Vec<Record>>,
}

impl Pool {
    fn new(address: SocketAddr, handler: Handler, start: Instant) -> Self {
        Self {
            address,
            handler,
            start,
            due: Mutex::default(),
            waiting: Semaphore::new(0),
            out: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            ended: Mutex::default(),
        }
    }

    /// A connection, for ever.
    async fn work(self: Arc<Self>) {
        let mut connection = None;
        loop {
            self.waiting.acquire().await.expect("it is never closed").forget();
            let due = self.due.lock().expect("nobody panics with it").pop_front();
            let due = due.expect("there is one for each permit");
            let verdict = ask(&mut connection, self.address, self.handler).await;
            let latency = (self.start + due).elapsed();
            self.ended.lock().expect("nobody panics with it").push(Record {
                client: Client::default(),
                due,
                latency,
                verdict,
            });
            self.out.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Those that ended, and those that did not.
    fn account(&self, schedule: &Schedule) -> Account {
        let mut records = std::mem::take(&mut *self.ended.lock().expect("nobody panics with it"));
        let mut ended: Vec<Duration> = records.iter().map(|record| record.due).collect();
        ended.sort_unstable();
        for &Arrival { due, client } in schedule.arrivals() {
            if ended.binary_search(&due).is_err() {
                let latency = (self.start + due).elapsed();
                records.push(Record { client, due, latency, verdict: Verdict::GaveUp });
            }
        }
        Account::new(records)
    }
}

/// Over the connection that there is, or a new one.
async fn ask(connection: &mut Option<Connection>, address: SocketAddr, handler: Handler) -> Verdict {
    if connection.is_none() {
        *connection = Connection::open(address).await.ok();
    }
    let Some(open) = connection else { return Verdict::GaveUp };
    match open.get(handler.path()).await {
        Ok(answer) => {
            if !answer.keeps {
                *connection = None;
            }
            if answer.status == 200 { Verdict::Served } else { Verdict::Shed }
        }
        Err(_) => {
            *connection = None;
            Verdict::GaveUp
        }
    }
}

/// Answers in a second where each of the handler's clients asks again as soon as it has been answered.
pub(super) fn closed_loop(address: SocketAddr, handler: Handler, length: Duration) -> f64 {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    runtime.block_on(async {
        let start = Instant::now() + SETTLE;
        let end = start + length;
        let mut loops = JoinSet::new();
        for _ in 0..handler.clients() {
            loops.spawn(async move {
                let (mut connection, mut answers) = (None, 0_u64);
                while Instant::now() < end {
                    let served = ask(&mut connection, address, handler).await == Verdict::Served;
                    answers += u64::from(served && (start..end).contains(&Instant::now()));
                }
                answers
            });
        }
        loops.join_all().await.iter().sum::<u64>() as f64 / length.as_secs_f64()
    })
}

const MAX_CONNECTIONS: usize = 300;
const HEAD_START: Duration = Duration::from_millis(20);
/// After the last request, for the answers that are still out.
const GRACE: Duration = Duration::from_secs(1);
const SETTLE: Duration = Duration::from_millis(300);
