//! The harness does what its figures rest on.

use std::{sync::Mutex, time::Duration};

use macadam_tournament::{
    account::{Account, Record, Verdict},
    arm::Arm,
    deck::Deck,
    plant::{Change, Kind, SLOTS},
    race::{Lane, Race},
    schedule::{Client, Schedule, Stretch},
};

/// These take real time on real threads: one at a time.
static MACHINE: Mutex<()> = Mutex::new(());

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What 16 slots and 20 ms make, roughly: tests need no closed loop.
const CAPACITY: f64 = 750.0;

#[test]
fn a_schedule_is_that_of_its_seed_and_its_rates() {
    let stretches = [Stretch::new(10.0, 500.0), Stretch::new(10.0, 2000.0)];
    let schedule = Schedule::poisson(7, &stretches);
    assert_eq!(schedule.arrivals(), Schedule::poisson(7, &stretches).arrivals());
    assert_ne!(schedule.arrivals(), Schedule::poisson(8, &stretches).arrivals());
    assert!(schedule.arrivals().is_sorted());
    assert_eq!(schedule.length(), ms(20_000));

    let slow = schedule.arrivals().partition_point(|arrival| arrival.due < ms(10_000));
    let fast = schedule.arrivals().len() - slow;
    // Five standard deviations of a Poisson count.
    assert!(slow.abs_diff(5_000) < 354, "{slow}");
    assert!(fast.abs_diff(20_000) < 707, "{fast}");
}

#[test]
fn a_deck_deals_the_same_to_all_with_the_mean_that_it_says() {
    let mean = ms(20);
    let (mut one, mut other) = (Deck::lognormal(3, mean), Deck::lognormal(3, mean));
    let dealt: Vec<_> = (0..800).map(|_| one.deal()).collect();
    assert!(dealt.iter().all(|time| *time == other.deal()));
    assert_ne!(dealt[..400], dealt[400..], "it is shuffled in between");
    let dealt_mean = dealt.iter().sum::<Duration>() / 800;
    assert!(dealt_mean.abs_diff(mean) < ms(1) / 10, "{dealt_mean:?}");

    let slow = Deck::with_slow_ones(3, mean).mean();
    assert!((ms(35)..ms(44)).contains(&slow), "5 % of 400 ms and 95 % of 20 ms: {slow:?}");
}

#[test]
fn the_accounts_add_up() {
    let client = Client::default();
    let record =
        |due: u64, latency: u64, verdict| Record { client, due: ms(due), latency: ms(latency), verdict };
    let account = Account::new(vec![
        record(0, 20, Verdict::Served),
        record(100, 0, Verdict::Shed),
        record(200, 500, Verdict::GaveUp),
        record(300, 800, Verdict::Served),
        record(950, 100, Verdict::Served),
    ]);
    let second = Duration::ZERO..ms(1000);
    assert_eq!(account.offered(&second), 5);
    let count = |verdict| account.count(&second, verdict);
    assert_eq!(count(Verdict::Served) + count(Verdict::Shed) + count(Verdict::GaveUp), 5);
    // An answer after the patience is over is no good, and a good one belongs to the second in which it comes.
    assert_eq!(account.goodput(&second), 1.0);
    assert_eq!(account.good_share(&second), 0.4);
    assert_eq!(account.shed_share(&second), 0.2);
    // The refused one has no latency, and the others are not spared theirs.
    let p99 = account.latency(&second, 0.99).unwrap();
    assert!(p99.abs_diff(ms(800)) < ms(1), "{p99:?}");
    assert_eq!(account.latency(&(ms(100)..ms(200)), 0.99), None);
}

#[test]
fn it_settles_when_half_a_second_is_good_and_never_if_none_is() {
    let served = |due, latency| Record { client: Client(0), due, latency, verdict: Verdict::Served };
    let early = (0..100).map(|i| served(ms(10 * i), ms(400)));
    let later = (100..300).map(|i| served(ms(10 * i), ms(5)));
    let account = Account::new(early.chain(later).collect());
    let settles = |p99| account.settles(Duration::ZERO, ms(3000), 90.0, p99);
    assert_eq!(settles(ms(10)), Some(ms(1000)));
    assert_eq!(settles(ms(1)), None);
}

#[test]
fn each_client_has_an_account_of_its_own() {
    let _alone = MACHINE.lock().unwrap();
    let of = |seed, rate| Schedule::poisson(seed, &[Stretch::new(0.5, rate)]);
    let (many, few) = (of(1, 200.0), of(2, 40.0));
    let both = Schedule::together(&[many.clone(), few.clone()]);
    assert!(both.arrivals().is_sorted());
    let race = Race::run(vec![Lane::new(Arm::Nothing, Kind::Pool)], &both, &[]);
    let offered = |client| race.accounts[0].of(Client(client)).offered(&(Duration::ZERO..both.length()));
    assert_eq!([0, 1, 2].map(offered), [many.arrivals().len(), few.arrivals().len(), 0]);
}

#[test]
fn with_room_for_all_and_no_layer_everything_is_served_and_the_generator_keeps_its_schedule() {
    let _alone = MACHINE.lock().unwrap();
    let schedule = Schedule::poisson(1, &[Stretch::new(1.0, 0.5 * CAPACITY)]);
    let race = || {
        let arms = [Arm::Nothing, Arm::Ours];
        Race::run(arms.map(|arm| Lane::new(arm, Kind::Pool)).into(), &schedule, &[])
    };
    // A machine that runs other tests may make a run void; not each of ten.
    let race =
        (0..10).map(|_| race()).find(|race| !race.is_void()).expect("the generator keeps its schedule");
    let second = Duration::ZERO..ms(1000);
    for account in &race.accounts {
        assert_eq!(account.offered(&second), schedule.arrivals().len());
        assert_eq!(account.good_share(&second), 1.0);
        let median = account.latency(&second, 0.5).unwrap();
        assert!((ms(12)..ms(60)).contains(&median), "{median:?}");
    }
}

/// The negative control: the harness can tell one that fails.
#[test]
fn with_three_times_too_much_nothing_keeps_nobody_waiting_short_and_a_fixed_limit_sheds() {
    let _alone = MACHINE.lock().unwrap();
    let schedule = Schedule::poisson(1, &[Stretch::new(2.5, 3.0 * CAPACITY)]);
    let lanes = vec![Lane::new(Arm::Nothing, Kind::Pool), Lane::new(Arm::Tuned(24), Kind::Pool)];
    let race = Race::run(lanes, &schedule, &[]);
    let span = ms(1500)..ms(2500);
    let [nothing, limited] = &race.accounts[..] else { panic!("there were two lanes") };
    assert_eq!(nothing.shed_share(&span), 0.0);
    assert!(nothing.latency(&span, 0.5).unwrap() > ms(350));
    assert!(limited.shed_share(&span) > 0.5);
    assert!(limited.latency(&span, 0.5).unwrap() < ms(150));
}

#[test]
fn a_pool_of_fewer_slots_does_less_at_once_and_as_much_as_before_when_they_are_back() {
    let _alone = MACHINE.lock().unwrap();
    let schedule = Schedule::poisson(1, &[Stretch::new(3.0, 3.0 * CAPACITY)]);
    let changes = [(ms(1000), Change::Slots(SLOTS / 4)), (ms(2000), Change::Slots(SLOTS))];
    let race = Race::run(vec![Lane::new(Arm::Tuned(24), Kind::Pool)], &schedule, &changes);
    let goodput = |from, to| race.accounts[0].goodput(&(ms(from)..ms(to)));
    let (before, less, after) = (goodput(200, 1000), goodput(1200, 2000), goodput(2200, 3000));
    assert!((0.1..0.5).contains(&(less / before)), "{before} {less}");
    assert!((0.7..1.4).contains(&(after / before)), "{before} {after}");
}
