//! Probes while the main runtime is blocked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use macadam_admin::Admin;
use macadam_health::{Check, Health, RuntimeWatch};
use macadam_test::wire::Client;
use tokio::time::{Instant, sleep};

const WORKERS: usize = 2;
const PROBES: usize = 200;
/// Long before the last of them.
const UNREADY_AFTER: Duration = Duration::from_millis(100);

#[test]
fn probes_are_answered_and_tell_the_truth_while_every_worker_of_the_main_runtime_is_blocked() {
    let main =
        tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap();
    let health = Health::builder().check(Check::new("postgres", async || Ok::<_, &str>(()))).build().unwrap();
    let _schedule = {
        let _main = main.enter();
        health.spawn()
    };
    let watch = RuntimeWatch::new(main.handle().clone()).unready_after(UNREADY_AFTER);
    let admin = Admin::bind(SocketAddr::from(([127, 0, 0, 1], 0)), health.clone()).unwrap();
    let admin = admin.runtime(watch).spawn().unwrap();

    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().unwrap();
    let (blocked, blocks) = mpsc::sync_channel(WORKERS);
    for _ in 0..WORKERS {
        let (blocked, gate) = (blocked.clone(), Arc::clone(&gate));
        main.spawn(async move {
            blocked.send(()).unwrap();
            // What no handler should do: its thread stands still.
            drop(gate.lock());
        });
    }
    (0..WORKERS).for_each(|_| blocks.recv().unwrap());
    let starved = main.spawn(async {});

    let client = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut latencies, last) = client.block_on(async {
        let mut latencies = Vec::with_capacity(PROBES);
        let mut last = String::new();
        for _ in 0..PROBES {
            let asked = Instant::now();
            let reply = Client::connect(admin.local_addr()).await.get("/readyz").await;
            latencies.push(asked.elapsed());
            assert!(matches!(reply.status.as_u16(), 200 | 503));
            last = reply.text().to_owned();
            sleep(Duration::from_millis(5)).await;
        }
        (latencies, last)
    });
    assert!(last.contains("[-]runtime failed: 2 of 2 workers stalled for "), "{last}");

    // The control: had a worker been free, this would have run.
    assert!(!starved.is_finished());
    drop(closed);
    main.block_on(starved).unwrap();

    latencies.sort_unstable();
    let p99 = latencies[PROBES * 99 / 100 - 1];
    println!(
        "{PROBES} probes: p50 {:?}, p99 {p99:?}, max {:?}",
        latencies[PROBES / 2],
        latencies[PROBES - 1]
    );
    assert!(p99 < Duration::from_millis(50), "{p99:?}");
}
