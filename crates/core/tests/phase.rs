//! A phase goes forward, and who watches it misses nothing.

use macadam_core::{Phase, PhaseOwner};
use proptest::prelude::*;
use tokio::time::{Duration, Instant, timeout};

const ALL: [Phase; 7] = [
    Phase::Starting,
    Phase::Serving,
    Phase::LameDuck,
    Phase::Draining,
    Phase::Closing,
    Phase::Cleanup,
    Phase::Stopped,
];

#[test]
fn a_phase_goes_forward_alone_and_may_skip() {
    let owner = PhaseOwner::new();
    let watch = owner.watch();
    assert_eq!(watch.current(), Phase::Starting);
    assert!(!owner.advance(Phase::Starting, None));
    assert!(owner.advance(Phase::LameDuck, None));
    assert!(!owner.advance(Phase::Serving, None));
    assert!(!owner.advance(Phase::LameDuck, None));
    assert!(owner.advance(Phase::Stopped, None));
    assert_eq!(watch.current(), Phase::Stopped);
}

#[test]
fn the_deadline_is_that_of_the_present_phase() {
    let owner = PhaseOwner::new();
    let watch = owner.watch();
    let at = |secs| Instant::now() + Duration::from_secs(secs);
    assert_eq!(watch.deadline(), None);
    let (lame, late) = (at(5), at(20));
    owner.advance(Phase::LameDuck, Some(lame));
    assert_eq!(watch.deadline(), Some(lame));
    assert!(!owner.advance(Phase::Serving, Some(late)));
    assert_eq!(watch.deadline(), Some(lame));
    owner.advance(Phase::Draining, Some(late));
    assert_eq!(watch.deadline(), Some(late));
    owner.advance(Phase::Closing, None);
    assert_eq!(watch.deadline(), None);
}

#[tokio::test(start_paused = true)]
async fn a_phase_is_known_since_it_was_entered_and_one_that_was_skipped_is_not() {
    let owner = PhaseOwner::new();
    let watch = owner.watch();
    let start = Instant::now();
    tokio::time::advance(Duration::from_millis(7)).await;
    assert_eq!(watch.since(Phase::Starting), Some(start));
    assert_eq!(watch.since(Phase::LameDuck), None);
    owner.advance(Phase::LameDuck, None);
    tokio::time::advance(Duration::from_millis(5)).await;
    owner.advance(Phase::Draining, None);
    assert_eq!(watch.since(Phase::Serving), None);
    assert_eq!(watch.since(Phase::LameDuck), Some(start + Duration::from_millis(7)));
    assert_eq!(watch.since(Phase::Draining), Some(start + Duration::from_millis(12)));
    assert_eq!(watch.since(Phase::Closing), None);
}

#[test]
fn a_deadline_before_the_owner_was_made_has_passed() {
    let before = Instant::now();
    let owner = PhaseOwner::new();
    owner.advance(Phase::Draining, Some(before - Duration::from_secs(1)));
    assert!(owner.watch().deadline().unwrap() <= Instant::now());
}

#[tokio::test(start_paused = true)]
async fn reached_returns_at_once_where_the_phase_is_past() {
    let owner = PhaseOwner::new();
    owner.advance(Phase::Draining, None);
    for phase in [Phase::Starting, Phase::LameDuck, Phase::Draining] {
        assert_eq!(timeout(Duration::ZERO, owner.watch().reached(phase)).await, Ok(Phase::Draining));
    }
}

#[tokio::test(start_paused = true)]
async fn reached_wakes_everyone_at_the_phase_and_not_before() {
    let owner = PhaseOwner::new();
    let wait = || {
        let watch = owner.watch();
        tokio::spawn(async move { (watch.reached(Phase::Draining).await, watch.deadline()) })
    };
    let (one, other) = (wait(), wait());
    tokio::time::sleep(Duration::from_secs(1)).await;
    owner.advance(Phase::LameDuck, None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!one.is_finished() && !other.is_finished());

    let deadline = Instant::now() + Duration::from_secs(20);
    owner.advance(Phase::Closing, Some(deadline));
    assert_eq!(one.await.unwrap(), (Phase::Closing, Some(deadline)));
    assert_eq!(other.await.unwrap(), (Phase::Closing, Some(deadline)));
}

#[test]
fn a_watch_outlives_its_owner() {
    let owner = PhaseOwner::new();
    let watch = owner.watch();
    owner.advance(Phase::Serving, None);
    drop(owner);
    assert_eq!(watch.current(), Phase::Serving);
}

#[test]
fn probes_that_were_told_are_counted_together_whoever_answered_them() {
    let owner = PhaseOwner::new();
    let (public, admin) = (owner.watch(), owner.watch());
    public.note_probe();
    admin.note_probe();
    assert_eq!([owner.watch().probes(), public.probes(), admin.probes()], [2; 3]);
}

#[test]
fn the_words_for_the_phases_are_stable() {
    let words = ["starting", "serving", "lame-duck", "draining", "closing", "cleanup", "stopped"];
    assert_eq!(ALL.map(Phase::as_str), words);
    assert!(ALL.is_sorted());
}

proptest! {
    #[test]
    fn a_phase_never_goes_back_and_keeps_the_deadline_it_came_with(
        moves in proptest::collection::vec((0_usize..7, proptest::option::of(0_u64..100)), 0..20),
    ) {
        let owner = PhaseOwner::new();
        let watch = owner.watch();
        let start = Instant::now();
        let mut expected = (Phase::Starting, None);
        for (phase, deadline) in moves {
            let to = (ALL[phase], deadline.map(|secs| start + Duration::from_secs(secs)));
            let moved = owner.advance(to.0, to.1);
            prop_assert_eq!(moved, to.0 > expected.0);
            if moved {
                expected = to;
            }
            prop_assert_eq!((watch.current(), watch.deadline()), expected);
        }
    }
}
