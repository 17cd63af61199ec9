//! Rolling restarts behind a proxy that never tries twice.

use super::{
    Plan,
    trial::{Control, Trial},
};
use crate::{
    instance::Follow,
    load::{Part, Way},
    proxy::Kind,
    table::Row,
};

pub(super) fn run(plan: &Plan, add: &mut dyn FnMut(Row)) {
    // HAProxy asks for readiness, so that an instance may be away; nginx does not, so that its address has to answer.
    let away = |what, kind, control| (what, kind, Follow::Gap, &WITH_STREAMS[..], control);
    let in_place = |what, kind, control| (what, kind, plan.overlap, &WITHOUT_STREAMS[..], control);
    for (what, front, follow, mix, control) in [
        away("HAProxy, one instance away at a time", Kind::Haproxy, Control::MustFail),
        away("HAProxy in HTTP/2 to them, the same", Kind::HaproxyHttp2, Control::MayFail),
        // The control's probe has no such answer.
        away("HAProxy with `disable-on-404`, the same", Kind::HaproxyOn404, Control::None),
        in_place("nginx, each replaced in its place", Kind::Nginx, Control::MustFail),
    ] {
        let trial = Trial { what: what.into(), follow, front: Some(front), mix, must: true, control };
        add(trial.run(plan));
    }
}

static WITH_STREAMS: [Part; 7] = [
    part(30, Way::Kept, "/context", 0),
    part(15, Way::Kept, "/io?ms=50", 0),
    part(15, Way::Kept, "/upload", UPLOAD),
    part(15, Way::Anew, "/context", 0),
    part(5, Way::Anew, "/upload", UPLOAD),
    part(10, Way::Stream, "/context", 0),
    part(10, Way::Stream, "/upload", UPLOAD),
];
static WITHOUT_STREAMS: [Part; 5] = [
    part(35, Way::Kept, "/context", 0),
    part(20, Way::Kept, "/io?ms=50", 0),
    part(20, Way::Kept, "/upload", UPLOAD),
    part(15, Way::Anew, "/context", 0),
    part(10, Way::Anew, "/upload", UPLOAD),
];
const UPLOAD: usize = 64 << 10;

const fn part(weight: u32, way: Way, target: &'static str, upload: usize) -> Part {
    Part { weight, way, target, upload }
}
