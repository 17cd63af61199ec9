//! A dry run beside an enforced one that meets the same.

use super::{config, refused, runtime};
use crate::stand::{Stand, limit, turn};
use macadam_load_shed::{LoadShedLayer, Mode};
use macadam_test::Exchange;
use proptest::{collection::vec, prelude::*};

/// Who of those that come is refused, or would be. In between one of those that hold a slot is answered; of which the
/// dry run has more, since it lets nobody wait.
async fn refusals(layer: LoadShedLayer, comes: &[bool], mode: Mode) -> Vec<bool> {
    let stand = Stand::new(layer.mode(mode));
    let (mut holding, mut sent, mut verdicts) = (Vec::<Exchange>::new(), Vec::new(), Vec::new());
    for comes in comes {
        if *comes {
            let before = refused(&stand);
            sent.push(stand.get("/").await);
            let is_refused = refused(&stand) > before;
            verdicts.push(is_refused);
            let call = stand.script.try_next_call();
            assert!(mode == Mode::Enforce || call.is_some(), "a dry run admits everybody");
            // Who would have been refused holds nothing.
            holding.extend(call.filter(|_| !is_refused));
        } else if let Some(call) = holding.pop() {
            call.ok();
            turn().await;
            holding.extend(stand.script.try_next_call());
        }
    }
    verdicts
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_dry_run_admits_everybody_and_would_refuse_whom_an_enforced_one_does(
        slots in 1..5u32,
        places in 0..6u16,
        comes in vec(prop::bool::weighted(0.6), 1..80),
    ) {
        let [enforced, rehearsed] = [Mode::Enforce, Mode::DryRun].map(|mode| {
            runtime().block_on(refusals(limit(slots).queue(places), &comes, mode))
        });
        prop_assert_eq!(enforced, rehearsed);
    }
}
