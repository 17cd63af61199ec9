//! Whoever does all that can be done meets all demands, and who does nothing none: no race is run for that.

use std::time::Duration;

use macadam_tournament::{
    account::{Account, Record, Verdict},
    capacity::Capacity,
    plant::{Change, SLOTS},
    scenario::{Figure, Lengths, Must, Scenario},
    schedule::{Arrival, Client},
};

const CAPACITY: Capacity = Capacity { rate: 750.0, clients: 32, unloaded_p99: Duration::from_millis(60) };

fn scenarios() -> Vec<Scenario> {
    Scenario::all(Lengths { settle: 5.0, measured: 20.0, all_points: false })
}

fn figures(scenario: &Scenario, mut end: impl FnMut(&Arrival) -> (Duration, Verdict)) -> Vec<Figure> {
    let schedule = scenario.schedule(&CAPACITY, 1);
    let record = |arrival: &Arrival| {
        let (latency, verdict) = end(arrival);
        Record { client: arrival.client, due: arrival.due, latency, verdict }
    };
    scenario.figures(&Account::new(schedule.arrivals().iter().map(record).collect()), &CAPACITY)
}

/// What a plant can do of its capacity at that time.
fn left(scenario: &Scenario, at: Duration) -> f64 {
    match scenario.changes() {
        [(fall, change), (rise, _)] if (*fall..*rise).contains(&at) => match change {
            Change::Slots(slots) => f64::from(*slots) / f64::from(SLOTS),
            Change::Pace(percent) => 100.0 / f64::from(*percent),
        },
        _ => 1.0,
    }
}

/// Those who have to be served before all others, by how many clients there are.
fn is_preferred(client: Client, clients: usize) -> bool {
    match clients {
        2 => client == Client(0),
        10 => client != Client(0),
        _ => false,
    }
}

#[test]
fn who_serves_as_many_as_can_be_served_meets_every_demand() {
    for scenario in scenarios() {
        let schedule = scenario.schedule(&CAPACITY, 1);
        let clients =
            schedule.arrivals().iter().map(|arrival| arrival.client.0).max().map_or(1, |last| last + 1);
        let (mut room, mut last) = (100.0, Duration::ZERO);
        let figures = figures(&scenario, |arrival| {
            let passed = (arrival.due - last).as_secs_f64();
            last = arrival.due;
            room = f64::min(room + passed * CAPACITY.rate * left(&scenario, arrival.due), 100.0);
            if room < 1.0 && !is_preferred(arrival.client, clients.into()) {
                return (Duration::ZERO, Verdict::Shed);
            }
            room -= 1.0;
            (Duration::from_millis(20), Verdict::Served)
        });
        for Figure { what, value, must } in figures {
            assert!(must == Must::Nothing || must.holds(value), "{}: {what} is {value}", scenario.name);
        }
    }
}

#[test]
fn who_serves_nobody_meets_only_the_demand_to_refuse_nobody() {
    for scenario in scenarios() {
        for Figure { what, value, must } in
            figures(&scenario, |_| (Duration::from_millis(500), Verdict::GaveUp))
        {
            let is_met = must.holds(value);
            assert_eq!(
                is_met,
                what == "false sheds, %" && must != Must::Nothing,
                "{}: {what}",
                scenario.name
            );
        }
    }
}
