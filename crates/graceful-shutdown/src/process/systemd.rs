//! What systemd is told, where it listens.
//!
//! A thread of its own tells it: a message waits while systemd does not read, and neither the watcher nor a worker of
//! the service may wait for that.

use std::{env, io, sync::Arc, thread, time::Duration};

use macadam_core::{Phase, PhaseWatch};
use sd_notify::NotifyState;
use tokio::{
    runtime,
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use crate::course::Course;

/// The line to the thread that tells.
#[derive(Clone, Debug)]
pub(crate) struct Systemd {
    news: mpsc::Sender<News>,
}

/// What the thread does not see by itself.
#[derive(Debug)]
enum News {
    Reloading,
    Reloaded {
        failed: String,
    },
    /// The service's runtime runs tasks and fires timers.
    Alive,
}

impl Systemd {
    /// Whether there is somebody to be told.
    pub(crate) fn listens() -> bool {
        env::var_os("NOTIFY_SOCKET").is_some_and(|socket| !socket.is_empty())
    }

    /// Starts to tell; within the service's runtime, whose heart is to be heard.
    pub(crate) fn start(course: &Arc<Course>, budget: Duration, reaper: bool) -> io::Result<Self> {
        let (sender, news) = mpsc::channel(BACKLOG);
        if let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) {
            tokio::spawn(beat(course.phase().clone(), limit / 2, sender.clone()));
        }
        let teller = Teller { course: Arc::clone(course), budget, reaper, stopping: false, extend: None };
        thread::Builder::new().name("macadam-systemd".into()).spawn(move || {
            // Time alone: it opens no socket of tokio's.
            match runtime::Builder::new_current_thread().enable_time().build() {
                Ok(runtime) => runtime.block_on(teller.tell(news, &mut say())),
                Err(error) => tracing::warn!(%error, "systemd is not told anything"),
            }
        })?;
        Ok(Self { news: sender })
    }

    pub(crate) fn reloading(&self) {
        // Full, systemd has not read for so long that it does not matter any more.
        let _ = self.news.try_send(News::Reloading);
    }

    pub(crate) fn reloaded(&self, failed: &[&str]) {
        let _ = self.news.try_send(News::Reloaded { failed: failed.join(", ") });
    }
}

/// The heart of the service's runtime: one that is blocked neither runs this task nor fires its timer, and is silent.
async fn beat(phase: PhaseWatch, every: Duration, news: mpsc::Sender<News>) {
    let mut beats = interval(every);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let beating = async {
        loop {
            beats.tick().await;
            let _ = news.try_send(News::Alive);
        }
    };
    tokio::select! {
        () = beating => {}
        _ = phase.reached(Phase::Stopped) => {}
    }
}

/// How to say something: a failure is logged once.
fn say() -> impl FnMut(&[NotifyState<'_>]) {
    let mut failed = false;
    move |states| {
        if let Err(error) = sd_notify::notify(states) {
            if !std::mem::replace(&mut failed, true) {
                tracing::warn!(%error, "systemd cannot be told anything");
            }
        }
    }
}

struct Teller {
    course: Arc<Course>,
    budget: Duration,
    reaper: bool,
    stopping: bool,
    /// When to ask for more time again.
    extend: Option<Instant>,
}

impl Teller {
    async fn tell(mut self, mut news: mpsc::Receiver<News>, say: &mut impl FnMut(&[NotifyState<'_>])) {
        let mut entered = self.course.entered();
        let mut told = 0;
        loop {
            let phases: Vec<_> = entered.borrow_and_update()[told..].iter().map(|entry| entry.0).collect();
            told += phases.len();
            for phase in phases {
                self.enter(phase, say);
                if phase == Phase::Stopped && !self.reaper {
                    return;
                }
            }
            tokio::select! {
                // What systemd hears is in order: a phase comes before what was done in it.
                biased;
                changed = entered.changed() => if changed.is_err() { return },
                Some(news) = news.recv() => self.pass_on(news, say),
                () = sleep_until(self.extend.unwrap_or_else(Instant::now)), if self.extend.is_some() => {
                    let more = self.more_time();
                    say(&more.into_iter().collect::<Vec<_>>());
                }
            }
        }
    }

    fn enter(&mut self, phase: Phase, say: &mut impl FnMut(&[NotifyState<'_>])) {
        let status = match phase {
            Phase::LameDuck | Phase::Draining | Phase::Closing => {
                format!("{phase}, {} in flight", self.course.ledger().in_flight.len())
            }
            _ => phase.to_string(),
        };
        let mut states = Vec::new();
        if phase == Phase::Serving {
            states.push(NotifyState::Ready);
        } else if !self.stopping {
            // With the first phase of the shutdown the budget's clock has started, and with this one systemd's does.
            self.stopping = true;
            states.push(NotifyState::Stopping);
            states.extend(self.more_time());
        }
        states.push(NotifyState::Status(&status));
        say(&states);
    }

    fn pass_on(&self, news: News, say: &mut impl FnMut(&[NotifyState<'_>])) {
        match news {
            News::Alive => say(&[NotifyState::Watchdog]),
            // STOPPING is the last word on what the service is.
            _ if self.stopping => {}
            News::Reloading => match NotifyState::monotonic_usec_now() {
                Ok(now) => say(&[NotifyState::Reloading, now, NotifyState::Status("reloading")]),
                Err(error) => tracing::warn!(%error, "systemd is not told of a reload"),
            },
            News::Reloaded { failed } if failed.is_empty() => {
                say(&[NotifyState::Ready, NotifyState::Status("serving")]);
            }
            News::Reloaded { failed } => {
                let status = format!("serving as before, a reload has failed: {failed}");
                say(&[NotifyState::Ready, NotifyState::Status(&status)]);
            }
        }
    }

    /// Asks for time up to the end of the budget, and a little at a time: who stops to ask may be killed.
    fn more_time(&mut self) -> Option<NotifyState<'static>> {
        let lease = lease(self.budget.saturating_sub(self.course.began().elapsed()));
        self.extend = lease.map(|lease| Instant::now() + lease / 2);
        lease
            .map(|lease| NotifyState::ExtendTimeoutUsec(u32::try_from(lease.as_micros()).unwrap_or(u32::MAX)))
    }
}

/// How much time to ask for, where so much of the budget is left.
fn lease(left: Duration) -> Option<Duration> {
    (!left.is_zero()).then(|| LEASE.min(left.saturating_add(MARGIN)))
}

/// The time that is asked for at once. It is asked for again when half of it is over.
const LEASE: Duration = Duration::from_secs(10);
/// Beyond the budget, so that it is not systemd who ends a process that is just exiting.
const MARGIN: Duration = Duration::from_secs(1);
const BACKLOG: usize = 16;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What is told while `scenario` runs, each message with the milliseconds since its beginning.
    async fn told<F: Future<Output = ()>>(
        budget: Duration,
        scenario: impl FnOnce(Arc<Course>, Systemd) -> F,
    ) -> Vec<(u128, String)> {
        let (course, began) = (Arc::new(Course::new()), Instant::now());
        let (sender, news) = mpsc::channel(BACKLOG);
        let teller =
            Teller { course: Arc::clone(&course), budget, reaper: true, stopping: false, extend: None };
        let told = RefCell::new(Vec::new());
        let mut say = |states: &[NotifyState<'_>]| {
            let message: Vec<_> = states.iter().map(ToString::to_string).collect();
            told.borrow_mut().push((began.elapsed().as_millis(), message.join(" ")));
        };
        tokio::select! {
            biased;
            () = teller.tell(news, &mut say) => panic!("it tells as long as the process lives"),
            () = scenario(course, Systemd { news: sender }) => {}
        }
        told.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn phases_are_told_in_order_and_stopping_once_with_the_budgets_begin() {
        let told = told(20 * SECOND, async |course, _| {
            for phase in [Phase::Serving, Phase::LameDuck, Phase::Draining, Phase::Cleanup, Phase::Stopped] {
                sleep(SECOND).await;
                if phase == Phase::LameDuck {
                    course.began();
                }
                course.enter(phase, None);
                sleep(Duration::from_millis(1)).await;
            }
        });
        assert_eq!(
            told.await.into_iter().map(|(_, message)| message).collect::<Vec<_>>(),
            [
                "READY=1 STATUS=serving",
                "STOPPING=1 EXTEND_TIMEOUT_USEC=10000000 STATUS=lame-duck, 0 in flight",
                "STATUS=draining, 0 in flight",
                "STATUS=cleanup",
                "STATUS=stopped",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn more_time_is_asked_for_at_half_life_and_never_beyond_the_budget() {
        let told = told(28 * SECOND, async |course, _| {
            course.enter(Phase::Serving, None);
            course.began();
            course.enter(Phase::Draining, None);
            sleep(60 * SECOND).await;
        });
        let asked = told.await.into_iter().filter_map(|(at, message)| {
            let (_, rest) = message.split_once("EXTEND_TIMEOUT_USEC=")?;
            let micros: u128 = rest.split(' ').next()?.parse().ok()?;
            Some((at, micros / 1_000))
        });
        assert_eq!(
            asked.collect::<Vec<_>>(),
            [
                (0, 10_000),
                (5_000, 10_000),
                (10_000, 10_000),
                (15_000, 10_000),
                (20_000, 9_000),
                (24_500, 4_500),
                (26_750, 2_250),
                (27_875, 1_125),
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_is_told_from_its_begin_to_its_end_and_not_after_stopping() {
        let told = told(20 * SECOND, async |course, systemd| {
            course.enter(Phase::Serving, None);
            sleep(SECOND).await;
            systemd.reloading();
            sleep(SECOND).await;
            systemd.reloaded(&["tenants", "keys"]);
            sleep(SECOND).await;
            systemd.reloading();
            sleep(SECOND).await;
            course.began();
            course.enter(Phase::LameDuck, None);
            sleep(SECOND).await;
            systemd.reloaded(&[]);
            sleep(SECOND).await;
        });
        let told = told.await;
        let messages: Vec<_> = told.iter().map(|(_, message)| message.as_str()).collect();
        assert!(messages[1].starts_with("RELOADING=1 MONOTONIC_USEC="), "{messages:?}");
        assert_eq!(messages[2], "READY=1 STATUS=serving as before, a reload has failed: tenants, keys");
        assert!(messages[3].starts_with("RELOADING=1 "), "{messages:?}");
        assert!(messages[4].starts_with("STOPPING=1 "), "{messages:?}");
        assert!(
            messages[5..].iter().all(|message| message.starts_with("EXTEND_TIMEOUT_USEC=")),
            "{messages:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_heart_beats_at_half_of_the_limit_until_the_process_stops() {
        let told = told(20 * SECOND, async |course, systemd| {
            tokio::spawn(beat(course.phase().clone(), SECOND, systemd.news));
            sleep(3 * SECOND + Duration::from_millis(500)).await;
            course.began();
            course.enter(Phase::Stopped, None);
            sleep(3 * SECOND).await;
        });
        let beats = told.await.into_iter().filter(|(_, message)| message == "WATCHDOG=1").map(|(at, _)| at);
        assert_eq!(beats.collect::<Vec<_>>(), [0, 1_000, 2_000, 3_000]);
    }
}
