//! Restarts that overlap on one port.

use super::{
    Plan,
    trial::{Control, Trial},
};
use crate::{
    load::{Part, Way},
    table::Row,
};

pub(super) fn run(plan: &Plan, add: &mut dyn FnMut(Row)) {
    for (what, mix, control) in &CELLS {
        if plan.is_quick && what.contains("50 ms") {
            continue;
        }
        let (what, follow, control) = ((*what).into(), plan.overlap, *control);
        add(Trial { what, follow, front: None, mix, must: true, control }.run(plan));
    }
}

static CELLS: [(&str, [Part; 1], Control); 4] = [
    ("HTTP/1.1, short answers", [part(Way::Kept, "/context")], Control::MustFail),
    ("HTTP/1.1, 50 ms each", [part(Way::Kept, "/io?ms=50")], Control::MustFail),
    // hyper's own is nearly as good here: it sends two GOAWAYs as well.
    ("h2c, short answers", [part(Way::Stream, "/context")], Control::MayFail),
    ("h2c, 50 ms each", [part(Way::Stream, "/io?ms=50")], Control::MayFail),
];

const fn part(way: Way, target: &'static str) -> Part {
    Part { weight: 1, way, target, upload: 0 }
}
