//! What holds at every instant, whatever happens in whatever order.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

#[path = "gate/stand.rs"]
#[expect(dead_code, reason = "the stand has more than is needed here")]
mod stand;

use http::{Request, header::RETRY_AFTER};
use macadam_core::{Criticality, Gauges, Rejection};
use macadam_load_shed::{LoadShedLayer, Mode};
use macadam_test::Exchange;
use proptest::{collection::vec, prelude::*};
use stand::{Answer, Stand, limit, turn};
use tokio::{
    runtime::Builder,
    task::JoinHandle,
    time::{Duration, advance},
};

#[derive(Clone, Debug)]
enum Event {
    /// A request of this class and tenant comes.
    Comes(u16, u16),
    /// One of those that run is answered.
    IsAnswered(usize),
    /// One of those that were sent is given up, wherever it is.
    GoesAway(usize),
    /// The limit is moved.
    Moves(u32),
    /// Time passes.
    Passes(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => (0..4u16, 0..4u16).prop_map(|(class, tenant)| Event::Comes(class, tenant)),
        3 => any::<usize>().prop_map(Event::IsAnswered),
        2 => any::<usize>().prop_map(Event::GoesAway),
        1 => (1..6u32).prop_map(Event::Moves),
        1 => (1..200u64).prop_map(Event::Passes),
    ]
}

const CLASSES: [Criticality; 4] =
    [Criticality::CriticalPlus, Criticality::Critical, Criticality::SheddablePlus, Criticality::Sheddable];

/// Classes and tenants by header: here the tests are to be trusted.
fn judged(layer: LoadShedLayer) -> LoadShedLayer {
    let number = |head: &http::request::Parts, name: &str| -> usize {
        head.headers[name].to_str().unwrap().parse().unwrap()
    };
    layer
        .criticality(move |head| CLASSES[number(head, "class")])
        .tenant(move |head| Some(number(head, "tenant")).filter(|tenant| *tenant > 0))
}

fn request(class: u16, tenant: u16) -> Request<()> {
    Request::get("/").header("class", class).header("tenant", tenant).body(()).unwrap()
}

fn refused(stand: &Stand) -> f64 {
    let mut sum = 0.0;
    stand.gate.read(&mut |reading| {
        if reading.name == "macadam_load_shed_refused_total" {
            sum += reading.value;
        }
    });
    sum
}

/// Lets it all happen, and asks after each event whether everything is in order.
async fn happens(layer: LoadShedLayer, places: u32, events: Vec<Event>) {
    let stand = Stand::new(judged(layer));
    let (mut running, mut sent): (Vec<Exchange>, Vec<JoinHandle<Answer>>) = Default::default();
    let (mut came, mut answered, mut went) = (0, 0, 0);
    for event in events {
        match event {
            Event::Comes(class, tenant) => {
                came += 1;
                sent.push(stand.send(request(class, tenant)).await);
            }
            Event::IsAnswered(nth) if !running.is_empty() => running.remove(nth % running.len()).ok(),
            Event::GoesAway(nth) if !sent.is_empty() => {
                let gone = sent.remove(nth % sent.len());
                went += u32::from(!gone.is_finished());
                gone.abort();
            }
            Event::Moves(limit) => stand.gate.set_limit(limit).unwrap(),
            Event::Passes(millis) => advance(Duration::from_millis(millis)).await,
            Event::IsAnswered(_) | Event::GoesAway(_) => {}
        }
        turn().await;
        while let Some(call) = stand.script.try_next_call() {
            running.push(call);
            assert!(stand.gate.in_flight() <= stand.gate.limit(), "whoever was admitted had room");
        }
        running.retain(|call| !call.is_dropped());
        let (done, still) = sent.into_iter().partition::<Vec<_>, _>(JoinHandle::is_finished);
        sent = still;
        for done in done {
            let response = done.await.unwrap().unwrap();
            if response.extensions().get::<Rejection>().is_some() {
                let retry_after = response.headers().get(RETRY_AFTER);
                let seconds: u32 =
                    retry_after.expect("it is for want of room").to_str().unwrap().parse().unwrap();
                assert!((1..=3).contains(&seconds));
            } else {
                answered += 1;
            }
        }
        let (in_flight, queued) = stand.figures();
        assert_eq!(in_flight as usize, running.len(), "a slot is held by who runs, and by nobody else");
        assert!(queued <= places, "{queued} wait in a queue of {places}");
        assert!(queued == 0 || in_flight >= stand.gate.limit(), "a slot is idle while {queued} wait for one");
        assert_eq!(came, answered + went + in_flight + queued + refused(&stand) as u32, "nobody is lost");
    }
    sent.iter().for_each(JoinHandle::abort);
    turn().await;
    assert_eq!(stand.figures(), (0, 0), "nobody is left, and nothing is held");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn slots_places_and_requests_add_up(
        slots in 1..5u32,
        places in 0..6u16,
        events in vec(event(), 1..80),
    ) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let layer = limit(slots).queue(places).max_wait(Duration::from_millis(150));
        runtime.block_on(happens(layer, places.into(), events));
    }

    #[test]
    fn a_dry_run_admits_everybody_and_counts_whom_an_enforced_one_refuses(
        slots in 1..5u32,
        places in 0..6u16,
        crowd in 1..30u32,
    ) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let counts = [Mode::Enforce, Mode::DryRun].map(|mode| {
            runtime.block_on(async {
                let stand = Stand::new(judged(limit(slots).queue(places).mode(mode)));
                for _ in 0..crowd {
                    stand.send(request(1, 0)).await;
                }
                if mode == Mode::DryRun {
                    assert_eq!(stand.script.calls(), crowd as usize);
                }
                refused(&stand)
            })
        });
        prop_assert_eq!(counts[0], counts[1]);
    }
}
