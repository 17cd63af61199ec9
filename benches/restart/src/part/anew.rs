//! New connections, each for one request, while a listener changes hands.

use super::{
    Plan,
    trial::{Control, Trial},
};
use crate::{
    instance::Follow,
    load::{Part, Way},
    table::Row,
};

pub(super) fn run(plan: &Plan, add: &mut dyn FnMut(Row)) {
    let ways = [
        ("the listener is passed", plan.overlap, true, Control::MustFail),
        ("the listener is systemd's", Follow::Systemd, true, Control::None),
        // What is lost is what the kernel has queued for a listener that closes.
        ("two listen, the old one closes", Follow::Close, false, Control::None),
    ];
    for (what, follow, must, control) in ways {
        if plan.is_quick && !must {
            continue;
        }
        let trial = Trial { what: what.into(), follow, front: None, mix: &MIX, must, control };
        add(trial.run(plan));
    }
}

static MIX: [Part; 1] = [Part { weight: 1, way: Way::Anew, target: "/context", upload: 0 }];
