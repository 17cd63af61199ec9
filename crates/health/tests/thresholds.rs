//! When a check goes up and down: as its thresholds say, and by nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::{
    future::pending,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use macadam_health::{Check, Health};
use proptest::prelude::*;
use tokio::time::sleep;

#[derive(Clone, Copy, Debug)]
enum Ends {
    Well,
    Badly,
    Late,
    InPanic,
}

/// After each run: whether the check is up, and how often it has gone up or down.
type States = Vec<(bool, u64)>;

/// The model: looks back over the whole row of results, as the words do.
fn expected(script: &[Ends], initially: bool, failures: usize, successes: usize) -> States {
    let passed: Vec<bool> = script.iter().map(|end| matches!(end, Ends::Well)).collect();
    let (mut up, mut flips, mut since) = (initially, 0, 0);
    (1..=passed.len())
        .map(|runs| {
            let needed = if up { failures } else { successes };
            let row = passed[since..runs].iter().rev().take_while(|passed| **passed != up).count();
            if row >= needed {
                (up, flips, since) = (!up, flips + 1, runs);
            }
            (up, flips)
        })
        .collect()
}

/// The check itself, seen at the start of each next run.
fn seen(script: &[Ends], initially: bool, failures: u32, successes: u32) -> States {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let health = Arc::new(OnceLock::<Health>::new());
        let states = Arc::new(Mutex::new(States::new()));
        let run = AtomicUsize::new(0);
        let (watched, noted) = (Arc::clone(&health), Arc::clone(&states));
        let (script_length, script) = (script.len(), script.to_vec());
        let check = Check::new("it", move || {
            let run = run.fetch_add(1, SeqCst);
            let seen = &watched.get().expect("it is set before the first run").snapshot().checks[0];
            noted.lock().unwrap().push((seen.is_up(), seen.flips));
            let end = script.get(run).copied();
            async move {
                match end {
                    Some(Ends::Well) => Ok(()),
                    Some(Ends::Badly) => Err("no"),
                    Some(Ends::InPanic) => std::panic::resume_unwind(Box::new("as told")),
                    Some(Ends::Late) | None => pending().await,
                }
            }
        });
        let check = check.initially(initially).failure_threshold(failures).success_threshold(successes);
        let health = health.get_or_init(|| Health::builder().check(check).build().unwrap());
        let _schedule = health.spawn();
        sleep(LONGEST_ROUND * (script_length as u32 + 1)).await;
        // The first was noted before there was a result, and what comes after the script is not asked for.
        states.lock().unwrap()[1..=script_length].to_vec()
    })
}

/// The default interval and timeout.
const LONGEST_ROUND: Duration = Duration::from_secs(6);

proptest! {
    #[test]
    fn a_check_flips_exactly_when_its_thresholds_say(
        script in prop::collection::vec(
            prop_oneof![3 => Just(Ends::Well), 3 => Just(Ends::Badly), 1 => Just(Ends::Late), 1 => Just(Ends::InPanic)],
            1..40,
        ),
        initially: bool,
        failures in 1..5_u32,
        successes in 1..4_u32,
    ) {
        prop_assert_eq!(
            seen(&script, initially, failures, successes),
            expected(&script, initially, failures as usize, successes as usize)
        );
    }

    #[test]
    fn one_failure_fewer_than_the_threshold_never_flips(failures in 2..6_u32, rounds in 1..6_usize) {
        let round = || (1..failures).map(|_| Ends::Badly).chain([Ends::Well]);
        let script: Vec<_> = (0..rounds).flat_map(|_| round()).collect();
        prop_assert!(seen(&script, true, failures, 1).iter().all(|state| *state == (true, 0)));
    }

    #[test]
    fn results_that_alternate_never_flip(initially: bool, first: bool, length in 1..40_usize) {
        let ends = [Ends::Badly, Ends::Well];
        let script: Vec<_> = (0..length).map(|run| ends[(run + usize::from(first)) % 2]).collect();
        prop_assert!(seen(&script, initially, 2, 2).iter().all(|state| *state == (initially, 0)));
    }
}

/// The control: what never flips in a mixed row does so in one without a pass.
#[test]
fn as_many_failures_flip_only_where_they_are_in_a_row() {
    let (bad, well) = (Ends::Badly, Ends::Well);
    assert_eq!(seen(&[bad, well, bad, well, bad], true, 3, 1), [(true, 0); 5]);
    assert_eq!(seen(&[bad, bad, bad], true, 3, 1), [(true, 0), (true, 0), (false, 1)]);
}
