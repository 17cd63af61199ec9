//! A runtime that stands still, as probes tell it that are answered elsewhere.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests, in which a worker has to stand still"
)]

mod ask;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use macadam_core::Gauges;
use macadam_health::{Health, RuntimeWatch};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
    task,
    time::{Instant, sleep},
};

use self::ask::ask;

const UNREADY_AFTER: Duration = Duration::from_millis(300);
const DEAD_AFTER: Duration = Duration::from_millis(900);
/// More than two looks take, on a machine that has other work too.
const SOON: Duration = Duration::from_secs(5);

/// Watches a runtime from a thread of its own, and asks there.
fn watching<T>(runtime: &Handle, work: impl AsyncFnOnce(&Health) -> T) -> T {
    let watch = RuntimeWatch::new(runtime.clone()).unready_after(UNREADY_AFTER).dead_after(Some(DEAD_AFTER));
    let health = Health::builder().build().unwrap();
    let outside = Builder::new_current_thread().enable_all().build().unwrap();
    outside.block_on(async {
        tokio::select! {
            biased;
            done = work(&health) => done,
            never = health.watch(watch) => match never {},
        }
    })
}

/// Waits for this status, and says for how long.
async fn turns(health: &Health, uri: &str, status: u16) -> (Duration, String) {
    let start = Instant::now();
    loop {
        let (is, text) = ask(health, uri).await;
        if is == status {
            return (start.elapsed(), text);
        }
        assert!(start.elapsed() < SOON, "{uri} is still {is}: {text}");
        sleep(Duration::from_millis(1)).await;
    }
}

fn workers(count: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap()
}

/// Blocks this many workers until what is returned is dropped; they stand already.
fn block(runtime: &Handle, count: usize) -> Vec<mpsc::SyncSender<()>> {
    let (blocked, blocks) = mpsc::sync_channel(count);
    let block = |_| {
        let (open, opened) = mpsc::sync_channel(0);
        let blocked = blocked.clone();
        runtime.spawn(async move {
            blocked.send(()).unwrap();
            let _ = opened.recv();
        });
        open
    };
    let closed = (0..count).map(block).collect();
    (0..count).for_each(|_| blocks.recv().unwrap());
    closed
}

async fn a_stall_is_told_at_its_limits_and_forgotten_at_once(
    health: &Health,
    runtime: &Handle,
    count: usize,
) {
    assert_eq!(turns(health, "/readyz/runtime", 200).await.1, "ok");
    let closed = block(runtime, count);
    let start = Instant::now();

    let (_, text) = turns(health, "/readyz", 503).await;
    let unready_after = start.elapsed();
    let told = format!("[+]ping ok\n[-]runtime failed: {count} of {count} workers stalled for 0.");
    assert!(text.starts_with(&told) && text.ends_with(" s\nreadyz check failed\n"), "{text}");
    assert!(unready_after >= UNREADY_AFTER - MS, "{unready_after:?}");
    assert!(!health.is_ready());
    assert_eq!(ask(health, "/livez").await, (200, "ok".into()), "its own limit is not reached");
    assert_eq!(ask(health, "/startupz").await.0, 200);

    turns(health, "/livez", 503).await;
    let dead_after = start.elapsed();
    assert!(dead_after >= DEAD_AFTER - MS, "{dead_after:?}");

    drop(closed);
    turns(health, "/readyz", 200).await;
    assert_eq!(ask(health, "/livez").await.0, 200);
}

#[test]
fn a_stall_of_all_workers_fails_readiness_then_liveness_and_neither_when_it_is_over() {
    let runtime = workers(2);
    watching(runtime.handle(), async |health| {
        a_stall_is_told_at_its_limits_and_forgotten_at_once(health, runtime.handle(), 2).await;
    });
}

#[test]
fn so_does_that_of_a_runtime_with_one_thread() {
    let (started, starts) = mpsc::sync_channel(1);
    let (stop, stopped) = oneshot::channel::<()>();
    let main = thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        started.send(runtime.handle().clone()).unwrap();
        drop(runtime.block_on(stopped));
    });
    let runtime = starts.recv().unwrap();
    watching(&runtime, async |health| {
        a_stall_is_told_at_its_limits_and_forgotten_at_once(health, &runtime, 1).await;
    });
    stop.send(()).unwrap();
    main.join().unwrap();
}

#[test]
fn one_stalled_worker_of_several_is_told_with_its_age_and_fails_no_probe() {
    let runtime = workers(3);
    watching(runtime.handle(), async |health| {
        let closed = block(runtime.handle(), 1);
        let (_, text) = turns(health, "/readyz/runtime", 503).await;
        assert!(text.starts_with("[+]runtime degraded: 1 of 3 workers stalled for 0."), "{text}");
        assert_eq!(ask(health, "/readyz").await, (200, "ok".into()));
        let mut figures = Vec::new();
        health.read(&mut |reading| figures.push((reading.name, reading.value)));
        assert!(figures.contains(&("macadam_runtime_workers", 3.0)), "{figures:?}");
        assert!(figures.contains(&("macadam_runtime_stalled_workers", 1.0)), "{figures:?}");

        sleep(DEAD_AFTER).await;
        let (_, text) = ask(health, "/readyz?verbose").await;
        assert!(text.contains("[+]runtime degraded: 1 of 3 workers stalled for 1."), "{text}");
        assert!(health.is_ready());
        assert_eq!(ask(health, "/livez").await.0, 200);
        drop(closed);
        turns(health, "/readyz/runtime", 200).await;
    });
}

/// Asks for as long as it takes for a stall to be told, and finds none.
async fn moves(health: &Health) {
    let start = Instant::now();
    while start.elapsed() < UNREADY_AFTER + Duration::from_millis(300) {
        assert_eq!(ask(health, "/readyz/runtime").await, (200, "ok".into()));
        sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_runtime_that_sleeps_or_is_busy_or_blocks_in_place_does_not_stand_still() {
    let runtime = workers(2);
    watching(runtime.handle(), async |health| {
        turns(health, "/readyz/runtime", 200).await;
        moves(health).await;

        let busy = async || {
            loop {
                let start = Instant::now();
                while start.elapsed() < MS / 10 {}
                task::yield_now().await;
            }
        };
        let tasks = [runtime.spawn(busy()), runtime.spawn(busy())];
        moves(health).await;
        tasks.iter().for_each(task::JoinHandle::abort);

        let in_place = (0..2).map(|_| {
            runtime.spawn(async {
                task::block_in_place(|| thread::sleep(UNREADY_AFTER + Duration::from_millis(300)));
            })
        });
        let in_place: Vec<_> = in_place.collect();
        moves(health).await;
        drop(in_place);
    });
}

#[test]
fn where_nobody_looks_any_more_nothing_is_said() {
    let runtime = workers(1);
    let health = watching(runtime.handle(), async |health| {
        turns(health, "/livez/runtime", 200).await;
        let _closed = block(runtime.handle(), 1);
        turns(health, "/readyz", 503).await;
        health.clone()
    });
    let asking = Builder::new_current_thread().build().unwrap();
    asking.block_on(async {
        assert_eq!(ask(&health, "/readyz?verbose").await, (200, "[+]ping ok\nreadyz check passed\n".into()));
        assert_eq!(ask(&health, "/readyz/runtime").await.0, 404);
    });
}

/// A server that answers each byte, and at a `b` keeps its worker until the gate opens.
struct Server {
    address: SocketAddr,
    blocks: mpsc::Receiver<()>,
    gate: mpsc::SyncSender<()>,
}

impl Server {
    fn start(runtime: &Handle) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (blocked, blocks) = mpsc::sync_channel(1);
        let (gate, opens) = mpsc::sync_channel(0);
        let opens = Arc::new(Mutex::new(opens));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, blocked.clone(), Arc::clone(&opens)));
            }
        });
        Self { address, blocks, gate }
    }
}

async fn answer(
    mut stream: tokio::net::TcpStream,
    blocked: mpsc::SyncSender<()>,
    opens: Arc<Mutex<mpsc::Receiver<()>>>,
) {
    while let Ok(byte) = stream.read_u8().await {
        if byte == b'b' {
            blocked.send(()).unwrap();
            let _ = opens.lock().unwrap().recv();
        }
        stream.write_u8(byte).await.unwrap();
    }
}

fn is_answered(stream: &mut TcpStream, within: Duration) -> bool {
    stream.set_read_timeout(Some(within)).unwrap();
    stream.write_all(b"a").unwrap();
    stream.read_exact(&mut [0]).is_ok()
}

fn connected(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    assert!(is_answered(&mut stream, SOON));
    stream
}

#[test]
fn a_worker_that_blocks_does_not_take_the_io_of_the_others_along_while_somebody_looks() {
    let runtime = workers(2);
    let Server { address, blocks, gate } = Server::start(runtime.handle());
    let (mut blocking, mut asking) = (connected(address), connected(address));

    // One waits for I/O, the other for work.
    let (metrics, start) = (runtime.metrics(), Instant::now());
    while (0..2).any(|worker| metrics.worker_park_unpark_count(worker) % 2 == 0) {
        assert!(start.elapsed() < SOON);
        thread::yield_now();
    }
    blocking.write_all(b"b").unwrap();
    blocks.recv().unwrap();
    assert!(
        !is_answered(&mut asking, UNREADY_AFTER),
        "the control: who sleeps on waits for work, not for I/O"
    );
    watching(runtime.handle(), async |health| {
        let start = Instant::now();
        while ask(health, "/readyz/runtime").await.0 != 503 {
            assert!(start.elapsed() < SOON);
            sleep(MS).await;
        }
        assert!(is_answered(&mut asking, SOON));
        assert_eq!(ask(health, "/readyz").await.0, 200);
    });
    drop(gate);
}

const MS: Duration = Duration::from_millis(1);
