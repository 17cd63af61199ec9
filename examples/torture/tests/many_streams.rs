//! Two thousand clients of what goes on for ever. A program of its own, so that no other test has to share the machine.

#[path = "black_box/endless.rs"]
mod endless;
#[expect(dead_code, reason = "the other program needs more of it")]
#[path = "black_box/process.rs"]
mod process;

use std::time::Duration;

use bytes::Bytes;
use rustix::process::Signal;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    endless::{CLOSE, GOING_AWAY, SOON, close_code, sse, until_waiting, ws},
    process::Torture,
};

#[tokio::test]
async fn of_a_thousand_event_streams_and_a_thousand_websockets_each_ends_cleanly() {
    const EACH: usize = 1_000;
    let torture = Torture::start(&[
        // In half of it, 2,000 endings are 500 a second, and the test does not take ten seconds.
        ("MACADAM_SHUTDOWN_DRAIN", "8s"),
        // A machine that does more than this must not refuse them.
        ("MACADAM_LOAD_SHED_MODE", "off"),
    ])
    .await;
    let (mut events, mut sockets) = (JoinSet::new(), JoinSet::new());
    for _ in 0..EACH {
        let mut client = sse(&torture).await;
        events.spawn(async move {
            let whole = client.try_response().await;
            whole.is_ok_and(|reply| reply.is_some_and(|reply| reply.status == 200)).then(Instant::now)
        });
        let mut client = ws(&torture, "/ws").await;
        sockets.spawn(async move {
            let frame = client.some().await.ok()?;
            let told = (close_code(&frame) == Some(GOING_AWAY)).then(Instant::now);
            client.try_send(CLOSE).await.ok()?;
            client.closed().await.ok().filter(Bytes::is_empty)?;
            told
        });
    }
    until_waiting(&torture, 2.0 * EACH as f64).await;
    let from = Instant::now();
    torture.signal(Signal::TERM);

    let ends = |ends: Vec<Option<Instant>>| -> Vec<Duration> {
        ends.into_iter().flatten().map(|end| end.duration_since(from)).collect()
    };
    let events = ends(timeout(SOON, events.join_all()).await.expect("they end"));
    let sockets = ends(timeout(SOON, sockets.join_all()).await.expect("they end"));
    assert_eq!((events.len(), sockets.len()), (EACH, EACH), "ended cleanly");
    let exit = torture.exit(SOON).await;
    let took = from.elapsed();
    assert_eq!(exit.code, Some(0), "{}\n{}", exit.stdout, exit.stderr);
    assert!(exit.stderr.contains("2000 streams ended in turn"), "{}", exit.stderr);

    let early = events.iter().chain(&sockets).filter(|end| **end < Duration::from_secs(1)).count();
    println!("{early} in the first second, all after {took:?}\n{}", exit.stderr);
    assert!((250..=750).contains(&early), "500 a second, on a machine with more to do: {early}");
    assert!(took <= Duration::from_secs((2 * EACH / 200 + 1) as u64), "{took:?}");
}
