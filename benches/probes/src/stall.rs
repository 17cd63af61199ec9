//! From a stall of all workers to the probe that says so, and back.
//!
//! In this process, since from outside nobody knows when the last worker came to a stand.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::mpsc,
    time::Duration,
};

use macadam_admin::Admin;
use macadam_health::{Health, RuntimeWatch};
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};

use crate::{client::Client, prober::Waits, service::WORKERS};

/// How much later than its limit a probe turned, and how long it took to turn back.
pub(crate) struct Turns {
    pub(crate) unready: Waits,
    pub(crate) dead: Waits,
    pub(crate) back: Waits,
    /// How often a probe turned before its limit.
    pub(crate) early: usize,
}

/// Blocks all workers so often, each time for a little longer than `dead_after`.
///
/// # Panics
///
/// Where the listener cannot be had, or a probe does not turn within ten seconds.
pub(crate) fn measure(times: usize) -> Turns {
    let main = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().expect("a runtime");
    let health = Health::builder().build().expect("it has no checks");
    let watch =
        RuntimeWatch::new(main.handle().clone()).unready_after(UNREADY_AFTER).dead_after(Some(DEAD_AFTER));
    let admin = Admin::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), health).expect("a port is free");
    let admin = admin.runtime(watch).spawn().expect("a thread can be had");
    let asking = Builder::new_current_thread().enable_all().build().expect("a runtime");

    let (mut unready, mut dead, mut back, mut early) = (Vec::new(), Vec::new(), Vec::new(), 0);
    asking.block_on(async {
        let mut client = Client::connect(admin.local_addr()).await.expect("it listens");
        for nth in 0..times {
            // At any moment between two looks.
            sleep(Duration::from_millis(200 + 7 * (nth as u64 % 8))).await;
            let (blocked, blocks) = mpsc::sync_channel(WORKERS);
            let opens: Vec<_> = (0..WORKERS)
                .map(|_| {
                    let (open, opened) = mpsc::sync_channel::<()>(0);
                    let blocked = blocked.clone();
                    main.spawn(async move {
                        let _ = blocked.send(());
                        let _ = opened.recv();
                    });
                    open
                })
                .collect();
            (0..WORKERS).for_each(|_| blocks.recv().expect("it stands"));
            let start = Instant::now();
            for (path, limit, waits) in
                [("/readyz", UNREADY_AFTER, &mut unready), ("/livez", DEAD_AFTER, &mut dead)]
            {
                let after = turns(&mut client, path, 503).await - start;
                early += usize::from(after < limit);
                waits.push(after.saturating_sub(limit));
            }
            let start = Instant::now();
            drop(opens);
            back.push(turns(&mut client, "/readyz", 200).await - start);
        }
    });
    Turns { unready: Waits::of(unready), dead: Waits::of(dead), back: Waits::of(back), early }
}

async fn turns(client: &mut Client, path: &str, status: u16) -> Instant {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = client.get(path).await.expect("the admin listener answers");
        if answer.status == status {
            return Instant::now();
        }
        assert!(Instant::now() < until, "{path} is still {}: {}", answer.status, answer.body);
        sleep(Duration::from_millis(1)).await;
    }
}

const UNREADY_AFTER: Duration = Duration::from_secs(1);
const DEAD_AFTER: Duration = Duration::from_millis(1500);
