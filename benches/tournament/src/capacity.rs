//! What a plant can do.

use std::{thread, time::Duration};

use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    account::{Account, Span},
    arm::Arm,
    plant::{Kind, Plant},
    race::{Lane, Race, ask},
    schedule::{Client, Schedule, Stretch},
};

/// What a plant does without a layer.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// The most that it does in a second, whatever the number of clients in a closed loop.
    pub rate: f64,
    /// The number of clients with which it did that.
    pub clients: usize,
    /// The 99th percentile of its latency at a third of that rate.
    pub unloaded_p99: Duration,
}

impl Capacity {
    /// Asks the plant, for `length` with each number of clients.
    pub fn measure(kind: Kind, length: Duration) -> Self {
        let numbers: &[usize] = match kind {
            Kind::Pool | Kind::PoolWithSlowOnes => &[32],
            Kind::Contended => &[14, 16, 18, 20, 22, 24, 28],
        };
        let loops: Vec<_> = thread::scope(|scope| {
            let ask = |&clients| scope.spawn(move || (closed_loop(kind, clients, length), clients));
            let threads: Vec<_> = numbers.iter().map(ask).collect();
            threads.into_iter().map(|thread| thread.join().expect("a loop does not panic")).collect()
        });
        let most = loops.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
        let (rate, clients) = most.expect("there is a number of clients");
        Self { rate, clients, unloaded_p99: unloaded_p99(kind, rate / 3.0, length) }
    }
}

/// Answers in a second where each of `clients` asks again as soon as it has been answered.
pub fn closed_loop(kind: Kind, clients: usize, length: Duration) -> f64 {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime can be had");
    runtime.block_on(async {
        let plant = Plant::new(kind);
        let start = Instant::now() + SETTLE;
        let end = start + length;
        let mut loops = JoinSet::new();
        for client in 0..clients {
            let guarded = Arm::Nothing.guard(plant.clone());
            loops.spawn(async move {
                // Spread over the first service times, so that they do not march in step.
                sleep(Duration::from_millis(client as u64 % 20)).await;
                let mut answers = 0_u64;
                while Instant::now() < end {
                    ask(guarded.clone(), Client::default()).await;
                    answers += u64::from((start..end).contains(&Instant::now()));
                }
                answers
            });
        }
        loops.join_all().await.iter().sum::<u64>() as f64 / length.as_secs_f64()
    })
}

fn unloaded_p99(kind: Kind, rate: f64, length: Duration) -> Duration {
    let span: Span = Duration::ZERO..length;
    let schedule = Schedule::poisson(1, &[Stretch { length, rate }]);
    let race = Race::run(vec![Lane::new(Arm::Nothing, kind)], &schedule, &[]);
    let account: &Account = &race.accounts[0];
    account.latency(&span, 0.99).expect("a plant without a layer admits all")
}

const SETTLE: Duration = Duration::from_millis(300);
