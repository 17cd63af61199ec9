//! What a process tells systemd, whose part a socket of the test plays.

use std::{
    env, fs, io,
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use rustix::process::Signal;
use tokio::time::Instant;

use crate::{child::Child, get, roles};

/// From one beat to the next: half of what the process is told.
const TICK: Duration = Duration::from_millis(100);

struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("macadam-notify-{}-{}", process::id(), COUNT.fetch_add(1, Relaxed));
        let path = env::temp_dir().join(name);
        let _ = fs::remove_file(&path);
        Self { socket: UnixDatagram::bind(&path).unwrap(), path }
    }

    fn start(&self, test: &str, role: fn() -> u8) -> Child {
        let limit = (2 * TICK).as_micros().to_string();
        let socket = self.path.display().to_string();
        Child::start_with(test, role, &[("NOTIFY_SOCKET", &socket), ("WATCHDOG_USEC", &limit)])
    }

    /// The next message within `limit`.
    fn next(&self, limit: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(limit)).unwrap();
        let mut message = [0; 4096];
        match self.socket.recv(&mut message) {
            Ok(length) => Some(String::from_utf8_lossy(&message[..length]).trim_end().replace('\n', " ")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next message that is no beat.
    fn news(&self) -> String {
        loop {
            let message = self.next(Duration::from_secs(10)).expect("something is told");
            if message != "WATCHDOG=1" {
                return message;
            }
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[test]
fn systemd_is_told_ready_then_stopping_once_and_each_phase() {
    let manager = Manager::new();
    let mut child = manager.start(
        "systemd::systemd_is_told_ready_then_stopping_once_and_each_phase",
        roles::serves_under_systemd,
    );
    assert_eq!(manager.news(), "READY=1 STATUS=serving");
    let _client = get(&child.wait_for("READY"), "/slow");
    child.wait_for("HANDLING");
    child.signal(Signal::TERM);
    let stopping = manager.news();
    let asked_for =
        stopping.strip_prefix("STOPPING=1 EXTEND_TIMEOUT_USEC=").unwrap_or_else(|| panic!("{stopping}"));
    let (micros, status) = asked_for.split_once(' ').unwrap();
    assert_eq!(status, "STATUS=lame-duck, 1 in flight");
    // The whole budget is less than what is asked for at once, and a second is added for the exit.
    let asked_for = Duration::from_micros(micros.parse().unwrap());
    assert!(
        asked_for > roles::BUDGET && asked_for <= roles::BUDGET + Duration::from_secs(1),
        "{asked_for:?}"
    );
    assert_eq!(manager.news(), "STATUS=draining, 1 in flight");
    assert_eq!(child.exit().code, 0);
    // The rest takes no time, and the process does not wait for it to be told.
    while let Some(message) = manager.next(TICK) {
        assert!(["WATCHDOG=1", "STATUS=cleanup", "STATUS=stopped"].contains(&message.as_str()), "{message}");
    }
}

#[test]
fn the_heart_beats_until_the_runtime_is_blocked_and_then_stops_within_a_tick() {
    let manager = Manager::new();
    let mut child = manager.start(
        "systemd::the_heart_beats_until_the_runtime_is_blocked_and_then_stops_within_a_tick",
        roles::blocks_under_systemd,
    );
    let ready = child.wait_for("READY");
    let (from, mut beats) = (Instant::now(), 0);
    while beats < 8 {
        beats += usize::from(manager.next(Duration::from_secs(10)).expect("it beats") == "WATCHDOG=1");
    }
    assert!(from.elapsed() >= 6 * TICK, "no more often than asked for: {:?}", from.elapsed());

    let _client = get(&ready, "/block");
    child.wait_for("BLOCKED");
    // What was on its way, and no more.
    while manager.next(TICK).is_some() {}
    assert_eq!(manager.next(5 * TICK), None);
}

#[test]
fn with_the_only_thread_blocked_time_is_still_asked_for_up_to_the_budget() {
    let manager = Manager::new();
    let mut child = manager.start(
        "systemd::with_the_only_thread_blocked_time_is_still_asked_for_up_to_the_budget",
        roles::blocks_under_systemd,
    );
    let _client = get(&child.wait_for("READY"), "/block");
    child.wait_for("BLOCKED");
    child.signal(Signal::TERM);
    let mut asked = Vec::new();
    while child.since_signal() < roles::BUDGET + TICK {
        let message = manager.next(TICK).unwrap_or_default();
        if let Some((_, rest)) = message.split_once("EXTEND_TIMEOUT_USEC=") {
            let micros = rest.split(' ').next().unwrap().parse().unwrap();
            asked.push((child.since_signal(), Duration::from_micros(micros)));
        }
    }
    // 3 s at once; when half of them is over, for the half second that is left, and one more.
    assert_eq!(asked.len(), 2, "{asked:?}");
    let latest = roles::BUDGET + Duration::from_secs(1) + TICK;
    assert!(asked.iter().all(|(at, time)| *at + *time < latest), "{asked:?}");
    let half = roles::BUDGET * 3 / 4;
    assert!(asked[1].0 >= half && asked[1].0 < half + 3 * TICK, "{asked:?}");
    assert_eq!(child.exit().code, 75);
}

#[test]
fn a_hang_up_reloads_and_systemd_is_told_when_it_begins_and_when_it_is_done() {
    let manager = Manager::new();
    let mut child = manager.start(
        "systemd::a_hang_up_reloads_and_systemd_is_told_when_it_begins_and_when_it_is_done",
        roles::reloads_under_systemd,
    );
    assert_eq!(manager.news(), "READY=1 STATUS=serving");
    child.wait_for("READY");
    for (reload, done) in [(1, "serving"), (2, "serving as before, a reload has failed: every other")] {
        child.signal(Signal::HUP);
        let begin = manager.news();
        assert!(
            begin.starts_with("RELOADING=1 MONOTONIC_USEC=") && begin.ends_with("STATUS=reloading"),
            "{begin}"
        );
        child.wait_for(&format!("RELOAD {reload}"));
        assert_eq!(manager.news(), format!("READY=1 STATUS={done}"));
    }
    child.signal(Signal::TERM);
    assert_eq!(child.exit().code, 0, "a hang-up counts for nothing when the process is asked to leave");
}

#[test]
fn under_systemd_a_hang_up_with_nothing_to_reload_is_answered_and_ends_nobody() {
    let manager = Manager::new();
    let mut child = manager.start(
        "systemd::under_systemd_a_hang_up_with_nothing_to_reload_is_answered_and_ends_nobody",
        roles::serves_under_systemd,
    );
    assert_eq!(manager.news(), "READY=1 STATUS=serving");
    child.wait_for("READY");
    child.signal(Signal::HUP);
    assert!(manager.news().starts_with("RELOADING=1 "));
    assert_eq!(manager.news(), "READY=1 STATUS=serving");
    child.signal(Signal::TERM);
    assert_eq!(child.exit().code, 0);
}

#[test]
fn a_manager_that_does_not_read_holds_up_neither_the_phases_nor_the_exit() {
    let manager = Manager::new();
    // Full: from here on whoever writes waits.
    let filler = UnixDatagram::unbound().unwrap();
    filler.connect(&manager.path).unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send(b"STATUS=of somebody else").is_ok() {}
    let mut child = manager.start(
        "systemd::a_manager_that_does_not_read_holds_up_neither_the_phases_nor_the_exit",
        roles::serves_under_systemd,
    );
    child.wait_for("READY");
    child.signal(Signal::TERM);
    let exit = child.exit();
    assert_eq!(exit.code, 0, "{}", exit.stderr);
    assert!(exit.after < roles::BUDGET, "{:?}", exit.after);
    // It did wait: nothing of its own got through.
    while let Some(message) = manager.next(TICK) {
        assert_eq!(message, "STATUS=of somebody else");
    }
}
