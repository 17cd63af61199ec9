//! Signals that come early, late, or more than once.

use std::{io::Read, time::Duration};

use rustix::process::Signal;

use crate::{AT_ONCE, child::Child, get, roles};

/// As long as this the same signal is the one that came before.
const ONE_STOP: Duration = Duration::from_millis(100);

#[test]
fn sigint_and_sigterm_are_two_signals_and_a_third_changes_nothing() {
    let mut child = Child::start(
        "signals::sigint_and_sigterm_are_two_signals_and_a_third_changes_nothing",
        roles::serves_and_drains,
    );
    let _client = get(&child.wait_for("READY"), "/endless");
    child.wait_for("HANDLING");
    child.signal(Signal::INT);
    child.wait_for("DRAINING");
    child.signal(Signal::TERM);
    child.signal(Signal::TERM);
    let exit = child.exit();
    assert_eq!(exit.code, 1, "{}", exit.stderr);
    assert!(exit.after < AT_ONCE, "{:?}", exit.after);
    assert_eq!(exit.stderr.matches("a second signal, SIGTERM: exit code 1").count(), 1, "{}", exit.stderr);
}

#[test]
fn a_stop_that_is_delivered_twice_is_one_and_the_request_in_flight_gets_its_whole_response() {
    let mut child = Child::start(
        "signals::a_stop_that_is_delivered_twice_is_one_and_the_request_in_flight_gets_its_whole_response",
        roles::serves_and_drains,
    );
    let mut client = get(&child.wait_for("READY"), "/slow");
    child.wait_for("HANDLING");
    child.signal(Signal::TERM);
    // The first has been heard, so that the kernel does not make one of both.
    child.wait_for("DRAINING");
    child.signal(Signal::TERM);

    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("slow"), "{response}");
    let exit = child.exit();
    assert_eq!(exit.code, 0, "{}", exit.stderr);
}

#[test]
fn a_signal_while_the_server_still_starts_is_not_lost() {
    let mut child =
        Child::start("signals::a_signal_while_the_server_still_starts_is_not_lost", roles::starts_slowly);
    child.wait_for("STARTING");
    child.signal(Signal::TERM);
    let exit = child.exit();
    assert_eq!(exit.code, 0, "{}", exit.stderr);
    assert!(exit.stderr.contains("macadam: shutdown (SIGTERM): exit code 0"), "{}", exit.stderr);
}

#[test]
fn before_run_a_signal_ends_the_process_as_it_always_did() {
    let mut child =
        Child::start("signals::before_run_a_signal_ends_the_process_as_it_always_did", roles::never_runs);
    child.wait_for("BUILT");
    child.signal(Signal::TERM);
    assert_eq!(child.ended_by(), Some(Signal::TERM.as_raw()));
}

#[test]
fn the_same_signal_100_ms_later_exits_at_once_also_while_hooks_run_and_names_the_hook() {
    let mut child = Child::start(
        "signals::the_same_signal_100_ms_later_exits_at_once_also_while_hooks_run_and_names_the_hook",
        roles::hook_hangs,
    );
    child.wait_for("READY");
    child.signal(Signal::TERM);
    child.wait_for("HOOK hangs");
    assert!(child.lives_for(ONE_STOP));
    child.signal(Signal::TERM);
    let exit = child.exit();
    assert_eq!(exit.code, 1, "{}", exit.stderr);
    assert!(exit.after < AT_ONCE, "{:?}", exit.after);
    assert!(exit.stderr.contains("exit code 1, while cleanup"), "{}", exit.stderr);
    assert!(exit.stderr.contains("hook `hangs`"), "{}", exit.stderr);
}

#[test]
fn a_hang_up_runs_what_is_to_be_reloaded_and_the_process_serves_on() {
    let mut child = Child::start(
        "signals::a_hang_up_runs_what_is_to_be_reloaded_and_the_process_serves_on",
        roles::reloads,
    );
    child.wait_for("READY");
    for reload in 1..=3 {
        child.signal(Signal::HUP);
        child.wait_for(&format!("RELOAD {reload}"));
    }
    child.signal(Signal::TERM);
    assert_eq!(child.exit().code, 0);
}

#[test]
fn a_hang_up_with_nothing_to_reload_ends_the_process_as_it_always_did() {
    let mut child = Child::start(
        "signals::a_hang_up_with_nothing_to_reload_ends_the_process_as_it_always_did",
        roles::serves_and_drains,
    );
    child.wait_for("READY");
    assert!(child.lives_for(Duration::from_millis(50)));
    child.signal(Signal::HUP);
    if hang_ups_are_ignored() {
        // As under nohup, which is why one uses it.
        assert!(child.lives_for(Duration::from_millis(200)));
        child.signal(Signal::TERM);
        assert_eq!(child.exit().code, 0);
    } else {
        assert_eq!(child.ended_by(), Some(Signal::HUP.as_raw()));
    }
}

/// Whether this process, and so whatever it starts, was told to ignore SIGHUP.
fn hang_ups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    ignored & (1 << (Signal::HUP.as_raw() - 1)) != 0
}
