//! The limit.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use crate::stand::{Stand, limit, turn};
use http::{Request, Response};
use macadam_load_shed::LoadShedLayer;
use macadam_test::ScriptedBody;
use tower::{Layer, ServiceExt, service_fn};

#[test]
fn a_limit_of_nothing_or_of_too_much_is_refused_with_the_cure() {
    for wrong in [0, 1_000_001, u32::MAX] {
        let error = LoadShedLayer::new(wrong).unwrap_err().to_string();
        assert!(error.contains(&wrong.to_string()), "{error}");
        assert!(error.contains("from 1 to 1000000"), "{error}");
    }
    let (_, gate) = LoadShedLayer::new(1_000_000).unwrap().pair();
    assert_eq!(gate.limit(), 1_000_000);
    assert!(gate.set_limit(0).is_err());
    assert_eq!(gate.limit(), 1_000_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_limit_is_never_exceeded_while_it_moves_and_clients_leave() {
    const HIGHEST: usize = 8;
    let running = Arc::new(AtomicUsize::new(0));
    let peak = Arc::new(AtomicUsize::new(0));
    let (layer, gate) = limit(HIGHEST as u32).queue(64).pair();
    let service = layer.layer(service_fn({
        let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
        move |_: Request<()>| {
            let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
            async move {
                let guard = Leave(running);
                peak.fetch_max(guard.0.fetch_add(1, SeqCst) + 1, SeqCst);
                tokio::task::yield_now().await;
                drop(guard);
                Ok::<_, Infallible>(Response::new(ScriptedBody::empty()))
            }
        }
    }));

    let clients: Vec<_> = (0..64)
        .map(|client| {
            let service = service.clone();
            tokio::spawn(async move {
                let mut served = 0;
                for turn in 0..500 {
                    let request = service.clone().oneshot(Request::new(()));
                    if (client + turn) % 5 == 0 {
                        // A client that leaves somewhere on the way.
                        let _ = tokio::time::timeout(std::time::Duration::from_micros(turn), request).await;
                    } else {
                        served += usize::from(request.await.unwrap().status() == 200);
                    }
                }
                served
            })
        })
        .collect();
    for turn in 0..500 {
        gate.set_limit(1 + turn % HIGHEST as u32).unwrap();
        tokio::task::yield_now().await;
    }
    gate.set_limit(HIGHEST as u32).unwrap();
    let mut served = 0;
    for client in clients {
        served += client.await.unwrap();
    }

    assert!(served > 1000, "{served} served");
    assert!(peak.load(SeqCst) <= HIGHEST, "{peak:?} ran at once");
    assert!(peak.load(SeqCst) > 1, "nothing ran side by side, so nothing was tried");
    assert_eq!((gate.in_flight(), gate.queued()), (0, 0));
}

struct Leave(Arc<AtomicUsize>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn clones_and_layer_calls_share_one_limit() {
    let layer = limit(1).queue(0);
    let (inner, script) = macadam_test::service();
    let first = layer.layer(inner.clone());
    let second = layer.clone().queue(0).layer(inner);
    let running = tokio::spawn(first.oneshot(Request::new(())));
    script.next_call().await;
    assert_eq!(second.oneshot(Request::new(())).await.unwrap().status(), 503);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_lower_limit_binds_at_once_under_full_load_and_with_waiters() {
    let stand = Stand::new(limit(4).queue(4));
    let running = [(); 4].map(|()| stand.get("/"));
    let mut tasks = Vec::new();
    for request in running {
        tasks.push(request.await);
    }
    for _ in 0..2 {
        tasks.push(stand.get("/").await);
    }
    assert_eq!(stand.figures(), (4, 2));

    stand.gate.set_limit(2).unwrap();
    assert_eq!((stand.gate.limit(), stand.gate.in_flight()), (2, 4));
    let mut calls = Vec::new();
    while let Some(call) = stand.script.try_next_call() {
        calls.push(call);
    }
    // Two must end before anyone is admitted again; a semaphore would have handed their permits to the waiters.
    for (ended, waiting) in [(1, 2), (2, 2), (3, 1), (4, 0)] {
        calls[ended - 1].ok();
        turn().await;
        assert_eq!(stand.gate.queued(), waiting, "after {ended} have ended");
        assert!(stand.gate.in_flight() <= 4 - ended.min(2) as u32, "after {ended} have ended");
    }
    tasks.into_iter().for_each(|task| task.abort());
}

#[tokio::test(start_paused = true)]
async fn a_higher_limit_admits_waiters_before_set_limit_returns() {
    let stand = Stand::new(limit(1).queue(4));
    for _ in 0..4 {
        stand.get("/").await;
    }
    assert_eq!(stand.figures(), (1, 3));
    stand.gate.set_limit(3).unwrap();
    assert_eq!(stand.figures(), (3, 1));
    turn().await;
    assert_eq!(stand.script.calls(), 3);
}
