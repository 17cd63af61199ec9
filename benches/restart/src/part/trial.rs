//! Restarts under load: what most parts have in common.

use std::time::Duration;

use tokio::time::Instant;

use super::{LAME_DUCK, Plan};
use crate::{
    Result, doing,
    ending::Tally,
    instance::{Arm, Follow, Post, Service},
    load::{Load, Part, pause},
    proxy::{self, Proxy},
    table::{Row, Verdict},
};

/// A row: restarts of ours under this load, and the same of the control.
pub(super) struct Trial {
    pub(super) what: String,
    pub(super) follow: Follow,
    /// A proxy, and three instances behind it instead of one.
    pub(super) front: Option<proxy::Kind>,
    pub(super) mix: &'static [Part],
    /// Whether nothing may fail.
    pub(super) must: bool,
    pub(super) control: Control,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    /// It loses requests, or the row shows nothing.
    MustFail,
    /// It may lose some.
    MayFail,
    None,
}

/// What came of the restarts, and whether the generator kept its times.
struct Outcome {
    tally: Tally,
    is_void: bool,
}

impl Trial {
    pub(super) fn run(&self, plan: &Plan) -> Row {
        let must = if self.must { "0 failed" } else { "" };
        let ours = match self.offer(plan, Arm::Macadam, self.follow) {
            Ok(ours) => ours,
            Err(error) => return Row::broken(self.what.clone(), must, &*error),
        };
        let mut verdict = match (&ours, self.must) {
            (Outcome { is_void: true, .. }, _) => Verdict::Void,
            (_, false) => Verdict::Stated,
            (Outcome { tally, .. }, true) => Verdict::of(tally.failed() == 0 && tally.answered > 0),
        };
        let mut control = "–".to_owned();
        if plan.control && !plan.is_quick && self.control != Control::None {
            // It hands nothing over; where ours pass the listener, two of it overlap.
            let follow = if self.follow == Follow::Gap { Follow::Gap } else { Follow::Close };
            match self.offer(plan, Arm::Axum, follow) {
                Ok(Outcome { tally, .. }) => {
                    let must_fail = self.control == Control::MustFail && plan.restarts >= ENOUGH;
                    if must_fail && tally.failed() == 0 && verdict.is_good() {
                        verdict = Verdict::ControlPassed;
                    }
                    control = tally.to_string();
                }
                Err(error) => control = error.to_string().lines().next().unwrap_or_default().to_owned(),
            }
        }
        Row { what: self.what.clone(), measured: ours.tally.to_string(), must: must.into(), control, verdict }
    }

    fn offer(&self, plan: &Plan, arm: Arm, follow: Follow) -> Result<Outcome> {
        for attempt in 1.. {
            let count = if self.front.is_some() { 3 } else { 1 };
            let on_drain = self.front.map_or("fail", proxy::Kind::on_drain);
            let service = Service { on_drain, ..plan.service(arm, follow, LAME_DUCK) };
            let posts = (0..count).map(|_| Post::start(service));
            let mut posts: Vec<_> = posts.collect::<Result<_>>()?;
            let addresses: Vec<_> = posts.iter().map(|post| post.address).collect();
            let proxy = self.front.map(|kind| Proxy::start(kind, &addresses)).transpose()?;
            let load = Load {
                address: proxy.as_ref().map_or(addresses[0], |proxy| proxy.address),
                rate: plan.rate,
                connections: plan.connections,
                mix: self.mix,
                seed: plan.seed,
            };
            let (done, tally) = load.during(|| {
                for number in 0..plan.restarts {
                    doing(&format!("{}, {arm}: restart {} of {}", self.what, number + 1, plan.restarts));
                    let begun = Instant::now();
                    posts[number % count].restart()?;
                    // A balancer has to see that it is back before the next one goes.
                    let rest = if self.front.is_some() { SEEN } else { Duration::ZERO };
                    pause((begun + PERIOD).saturating_duration_since(Instant::now()).max(rest));
                }
                Result::Ok(())
            });
            done?;
            let lag = tally.lag(0.99);
            doing(&format!("{}, {arm}: {tally}; the generator's lag at p99: {lag:?}", self.what));
            let is_void = lag > plan.max_lag;
            if !is_void || attempt == ATTEMPTS {
                return Ok(Outcome { tally, is_void });
            }
        }
        unreachable!("the last attempt returns")
    }
}

/// From the begin of one restart to that of the next, if it is not longer: the lame duck, and some time for ourselves.
const PERIOD: Duration = Duration::from_millis(1300);
/// Three times the interval of HAProxy's checks.
const SEEN: Duration = Duration::from_millis(300);
/// With less restarts than these the control may have been lucky.
const ENOUGH: usize = 20;
const ATTEMPTS: u32 = 3;
