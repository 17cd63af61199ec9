//! Responses that go on, and slots that become streams' while they do.

use super::{config, refused, runtime};
use crate::stand::{Answer, Body, Stand, limit, turn};
use http::{Request, Response, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use macadam_core::Rejection;
use macadam_test::{Exchange, ScriptedBody, Step};
use proptest::{collection::vec, prelude::*};
use tokio::{
    task::JoinHandle,
    time::{Duration, sleep},
};

#[derive(Clone, Debug)]
enum Event {
    /// A request comes, by this version.
    Comes(Version),
    /// One of those that run is answered, and that is all.
    IsAnswered(usize),
    /// One of those that run is answered with a body that goes on.
    GoesOn(usize),
    /// One of those bodies is asked for its next frame.
    Reads(usize),
    /// One of those responses is given up.
    IsLeft(usize),
    /// Time passes.
    Passes(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => prop_oneof![Just(Version::HTTP_11), Just(Version::HTTP_2)].prop_map(Event::Comes),
        2 => any::<usize>().prop_map(Event::IsAnswered),
        3 => any::<usize>().prop_map(Event::GoesOn),
        3 => any::<usize>().prop_map(Event::Reads),
        2 => any::<usize>().prop_map(Event::IsLeft),
        2 => (1..200u64).prop_map(Event::Passes),
    ]
}

/// A body that has frames, now and later, and hardly ever an end.
fn endless() -> Response<ScriptedBody> {
    let steps = [Step::data("a"), Step::data("b"), Step::pending(), Step::data("c")];
    Response::new(ScriptedBody::new(steps.into_iter().cycle().take(200)))
}

struct Readers {
    stand: Stand,
    running: Vec<Exchange>,
    sent: Vec<JoinHandle<Answer>>,
    open: Vec<Response<Body>>,
    came: u32,
    answered: u32,
}

impl Readers {
    async fn on(&mut self, event: Event) {
        let Self { stand, running, open, .. } = self;
        match event {
            Event::Comes(version) => {
                self.came += 1;
                self.sent.push(stand.send(Request::get("/").version(version).body(()).unwrap()).await);
            }
            Event::IsAnswered(nth) if !running.is_empty() => running.remove(nth % running.len()).ok(),
            Event::GoesOn(nth) if !running.is_empty() => {
                running.remove(nth % running.len()).respond(endless());
            }
            Event::Reads(nth) if !open.is_empty() => {
                let nth = nth % open.len();
                tokio::select! {
                    biased;
                    _ = open[nth].body_mut().frame() => {}
                    () = std::future::ready(()) => {}
                }
            }
            Event::IsLeft(nth) if !open.is_empty() => {
                open.remove(nth % open.len());
                self.answered += 1;
            }
            Event::Passes(millis) => sleep(Duration::from_millis(millis)).await,
            _ => {}
        }
        self.settles().await;
        self.adds_up();
    }

    async fn settles(&mut self) {
        turn().await;
        self.running.extend(std::iter::from_fn(|| self.stand.script.try_next_call()));
        let (done, still): (Vec<_>, _) =
            std::mem::take(&mut self.sent).into_iter().partition(JoinHandle::is_finished);
        self.sent = still;
        for done in done {
            let response = done.await.unwrap().unwrap();
            if response.extensions().get::<Rejection>().is_some() {
                continue;
            } else if response.body().is_end_stream() {
                self.answered += 1;
            } else {
                self.open.push(response);
            }
        }
    }

    fn adds_up(&self) {
        let ((in_flight, queued), streams) = (self.stand.figures(), self.stand.gate.streams());
        let held = (in_flight + streams) as usize;
        assert_eq!(
            held,
            self.running.len() + self.open.len(),
            "held by who runs or goes on, and by nobody else"
        );
        assert!(streams as usize <= self.open.len().min(MOST_STREAMS as usize));
        assert!(
            queued == 0 || in_flight >= self.stand.gate.limit(),
            "a slot is idle while {queued} wait for one"
        );
        let refused = refused(&self.stand) as u32;
        assert_eq!(self.came, self.answered + in_flight + streams + queued + refused, "nobody is lost");
    }
}

const MOST_STREAMS: u32 = 2;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn slots_and_streams_add_up_while_bodies_go_on(
        slots in 1..5u32,
        places in 0..6u16,
        events in vec(event(), 1..80),
    ) {
        runtime().block_on(async {
            let layer = limit(slots).queue(places).max_wait(Duration::from_millis(150)).max_streams(MOST_STREAMS);
            let (running, sent, open) = Default::default();
            let mut readers = Readers { stand: Stand::new(layer), running, sent, open, came: 0, answered: 0 };
            for event in events {
                readers.on(event).await;
            }
            let Readers { stand, sent, open, .. } = readers;
            sent.iter().for_each(JoinHandle::abort);
            drop(open);
            turn().await;
            assert_eq!((stand.figures(), stand.gate.streams()), ((0, 0), 0), "nobody is left, and nothing is held");
        });
    }
}
