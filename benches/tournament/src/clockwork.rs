//! A timer that is good to a tenth of a millisecond.
//!
//! tokio's ticks in milliseconds, and is looked at when its runtime has something to do: a plant on it would do more the
//! more often its runtime is woken, by requests that are refused too.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Condvar, Mutex, OnceLock},
    thread,
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

/// Sleeps, by the one thread that wakes all sleepers of the process.
pub async fn sleep(time: Duration) {
    let (alarm, rings) = oneshot::channel();
    clock().set(Instant::now() + time, alarm);
    rings.await.expect("the clock never stops");
}

fn clock() -> &'static Clock {
    static CLOCK: OnceLock<&Clock> = OnceLock::new();
    CLOCK.get_or_init(|| {
        let clock: &'static Clock = Box::leak(Box::default());
        let thread = thread::Builder::new().name("clockwork".into()).spawn(|| clock.run());
        thread.expect("a thread can be had");
        clock
    })
}

#[derive(Default)]
struct Clock {
    alarms: Mutex<BinaryHeap<Reverse<Alarm>>>,
    earlier: Condvar,
}

impl Clock {
    fn set(&self, at: Instant, alarm: oneshot::Sender<()>) {
        let mut alarms = self.alarms.lock().expect("nobody panics with it");
        let is_first = alarms.peek().is_none_or(|Reverse(first)| at < first.at);
        alarms.push(Reverse(Alarm { at, alarm }));
        if is_first {
            self.earlier.notify_one();
        }
    }

    fn run(&self) {
        let mut alarms = self.alarms.lock().expect("nobody panics with it");
        loop {
            let left = alarms.peek().map_or(Duration::from_secs(1), |Reverse(first)| {
                first.at.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                if let Some(Reverse(Alarm { alarm, .. })) = alarms.pop() {
                    // Who does not sleep any more has given up.
                    let _ = alarm.send(());
                }
            } else {
                let waited = self.earlier.wait_timeout(alarms, left);
                alarms = waited.expect("nobody panics with it").0;
            }
        }
    }
}

struct Alarm {
    at: Instant,
    alarm: oneshot::Sender<()>,
}

impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Alarm {}
