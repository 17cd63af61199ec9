//! Requests that come, are answered and go away while the limit moves and time passes.

use super::{config, refused, runtime};
use crate::stand::{Answer, Stand, limit, turn};
use http::{Request, header::RETRY_AFTER};
use macadam_core::{Criticality, Rejection};
use macadam_load_shed::LoadShedLayer;
use macadam_test::Exchange;
use proptest::{collection::vec, prelude::*};
use tokio::{
    task::JoinHandle,
    time::{Duration, advance},
};

#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A request of this class and tenant comes.
    Comes(u16, u16),
    /// One that is exempt comes, and stays.
    Probes,
    /// One of those that run is answered.
    IsAnswered(usize),
    /// One of those that were sent is given up, wherever it is.
    GoesAway(usize),
    /// The limit is moved.
    Moves(u32),
    /// Time passes.
    Passes(u64),
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => (0..4u16, 0..4u16).prop_map(|(class, tenant)| Event::Comes(class, tenant)),
        1 => Just(Event::Probes),
        6 => any::<usize>().prop_map(Event::IsAnswered),
        4 => any::<usize>().prop_map(Event::GoesAway),
        2 => (1..6u32).prop_map(Event::Moves),
        2 => (1..200u64).prop_map(Event::Passes),
    ]
}

/// A gate, and everybody at it.
pub(crate) struct Crowd {
    pub(crate) stand: Stand,
    places: u32,
    running: Vec<(Who, Exchange)>,
    /// From which of those on they began to run in the last event.
    began: usize,
    sent: Vec<(Who, JoinHandle<Answer>)>,
    probes: Vec<Exchange>,
    came: u32,
    answered: u32,
    went: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Who {
    class: usize,
    /// 0 is nobody's.
    tenant: usize,
    nth: usize,
}

impl Crowd {
    /// With classes and tenants by header, and probes by path.
    pub(crate) fn at(layer: LoadShedLayer, places: u16) -> Self {
        let tenant = |head: &http::request::Parts| Some(number(head, "tenant")).filter(|tenant| *tenant > 0);
        Self::of(layer.tenant(tenant), places)
    }

    fn of(layer: LoadShedLayer, places: u16) -> Self {
        let layer = layer
            .queue(places)
            .criticality(|head| CLASSES[number(head, "class")])
            .exempt(|head| head.uri.path() == PROBE);
        Self {
            stand: Stand::new(layer),
            places: places.into(),
            running: Vec::new(),
            began: 0,
            sent: Vec::new(),
            probes: Vec::new(),
            came: 0,
            answered: 0,
            went: 0,
        }
    }

    /// Lets it happen, and asks whether everything is in order.
    pub(crate) async fn on(&mut self, event: Event) {
        match event {
            Event::Comes(class, tenant) => self.comes(class, tenant).await,
            Event::Probes if self.probes.len() < MOST_EXEMPT => self.probes().await,
            Event::IsAnswered(nth) if !self.running.is_empty() => {
                let nth = nth % self.running.len();
                self.running.remove(nth).1.ok();
            }
            Event::GoesAway(nth) if !self.sent.is_empty() => {
                let (_, gone) = self.sent.remove(nth % self.sent.len());
                self.went += u32::from(!gone.is_finished());
                gone.abort();
            }
            Event::Moves(limit) => self.stand.gate.set_limit(limit).unwrap(),
            Event::Passes(millis) => advance(Duration::from_millis(millis)).await,
            Event::Probes | Event::IsAnswered(_) | Event::GoesAway(_) => {}
        }
        self.settles().await;
        self.is_in_order();
    }

    async fn comes(&mut self, class: u16, tenant: u16) {
        let nth = self.came;
        self.came += 1;
        let head = Request::get("/").header("class", class).header("tenant", tenant).header("nth", nth);
        let sent = self.stand.send(head.body(()).unwrap()).await;
        self.sent.push((Who { class: class.into(), tenant: tenant.into(), nth: nth as usize }, sent));
    }

    async fn probes(&mut self) {
        let head = Request::get(PROBE).header("class", 3).header("tenant", 0);
        self.stand.send(head.body(()).unwrap()).await;
        let call = self.stand.script.try_next_call().expect("the exempt are not refused, and do not wait");
        assert_eq!(call.request().uri(), PROBE);
        self.probes.push(call);
    }

    /// Everybody goes as far as he can.
    async fn settles(&mut self) {
        turn().await;
        self.running.retain(|(_, call)| !call.is_dropped());
        self.began = self.running.len();
        let started: Vec<_> = std::iter::from_fn(|| self.stand.script.try_next_call()).collect();
        for call in started {
            assert!(self.stand.gate.in_flight() <= self.stand.gate.limit(), "whoever was admitted had room");
            self.running.push((who(&call), call));
        }
        let (done, still) =
            std::mem::take(&mut self.sent).into_iter().partition(|(_, sent)| sent.is_finished());
        self.sent = still;
        let done: Vec<(Who, JoinHandle<Answer>)> = done;
        for (_, done) in done {
            let response = done.await.unwrap().unwrap();
            if response.extensions().get::<Rejection>().is_some() {
                let retry_after = response.headers().get(RETRY_AFTER);
                let seconds: u32 =
                    retry_after.expect("it is for want of room").to_str().unwrap().parse().unwrap();
                assert!((1..=3).contains(&seconds));
            } else {
                self.answered += 1;
            }
        }
    }

    fn is_in_order(&self) {
        let (in_flight, queued) = self.stand.figures();
        assert_eq!(in_flight as usize, self.running.len(), "a slot is held by who runs, and by nobody else");
        assert!(queued <= self.places, "{queued} wait in a queue of {}", self.places);
        let limit = self.stand.gate.limit();
        assert!(queued == 0 || in_flight >= limit, "a slot is idle while {queued} wait for one");
        let refused = refused(&self.stand) as u32;
        assert_eq!(self.came, self.answered + self.went + in_flight + queued + refused, "nobody is lost");
        self.slots_went_where_they_belong();
    }

    /// Whoever waits now has waited when those who began in this event were given their slots.
    fn slots_went_where_they_belong(&self) {
        let waiting: Vec<Who> =
            self.sent.iter().map(|(who, _)| *who).filter(|who| !self.runs(*who)).collect();
        for nth in self.began..self.running.len() {
            let held = |tenant| match tenant {
                0 => 0,
                tenant => self.running[..nth].iter().filter(|(who, _)| who.tenant == tenant).count(),
            };
            let rank = |who: &Who| (who.class, held(who.tenant), who.nth);
            let lucky = &self.running[nth].0;
            for other in &waiting {
                assert!(rank(lucky) < rank(other), "{lucky:?} has the slot, and {other:?} waits");
            }
        }
    }

    /// Whether the one that came last is still here, to run or to wait.
    pub(crate) fn has_the_last(&self) -> bool {
        self.sent.last().is_some_and(|(who, _)| who.nth + 1 == self.came as usize)
    }

    fn runs(&self, who: Who) -> bool {
        self.running.iter().any(|(running, _)| *running == who)
    }

    /// Everybody goes home.
    async fn ends(self) {
        let Self { stand, sent, .. } = self;
        sent.iter().for_each(|(_, sent)| sent.abort());
        turn().await;
        assert_eq!(stand.figures(), (0, 0), "nobody is left, and nothing is held");
    }
}

fn who(call: &Exchange) -> Who {
    let number = |name: &str| call.request().headers()[name].to_str().unwrap().parse().unwrap();
    Who { class: number("class"), tenant: number("tenant"), nth: number("nth") }
}

/// Here the headers are to be trusted.
fn number(head: &http::request::Parts, name: &str) -> usize {
    head.headers[name].to_str().unwrap().parse().unwrap()
}

const CLASSES: [Criticality; 4] =
    [Criticality::CriticalPlus, Criticality::Critical, Criticality::SheddablePlus, Criticality::Sheddable];
const PROBE: &str = "/livez";
const MOST_EXEMPT: usize = 64;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn slots_places_and_requests_add_up(
        slots in 1..5u32,
        places in 0..6u16,
        events in vec(event(), 1..80),
    ) {
        runtime().block_on(async {
            let mut crowd = Crowd::at(limit(slots).max_wait(Duration::from_millis(150)), places);
            for event in events {
                crowd.on(event).await;
            }
            crowd.ends().await;
        });
    }
}

/// The negative control: a gate that was not told of tenants, and an eye for them.
#[test]
#[should_panic(expected = "has the slot, and")]
fn a_slot_that_goes_to_who_has_more_is_noticed() {
    runtime().block_on(async {
        let mut crowd = Crowd::of(limit(2), 4);
        for tenant in [1, 1, 1, 2] {
            crowd.on(Event::Comes(0, tenant)).await;
        }
        crowd.on(Event::IsAnswered(0)).await;
    });
}

#[test]
fn and_one_that_was_told_gives_it_to_who_has_less() {
    runtime().block_on(async {
        let mut crowd = Crowd::at(limit(2), 4);
        for tenant in [1, 1, 1, 2] {
            crowd.on(Event::Comes(0, tenant)).await;
        }
        crowd.on(Event::IsAnswered(0)).await;
        assert_eq!(crowd.running.last().unwrap().0.tenant, 2);
    });
}
