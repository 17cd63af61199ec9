//! What a process does from a real signal to its real exit.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "here an error is a failure of the test, wherever it happens")]

mod child;
mod roles;
mod signals;
#[cfg(feature = "systemd")]
mod systemd;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use rustix::process::Signal;
use tokio::time::Instant;

use self::child::Child;

/// From the budget's end, or a second signal, to the process' end.
const AT_ONCE: Duration = Duration::from_millis(100);
const BUDGET: Duration = roles::BUDGET;

#[test]
fn an_idle_process_exits_with_0_on_sigterm_and_on_sigint() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut child =
            Child::start("an_idle_process_exits_with_0_on_sigterm_and_on_sigint", roles::serves_and_drains);
        child.wait_for("READY");
        child.signal(signal);
        let exit = child.exit();
        assert_eq!(exit.code, 0, "{}", exit.stderr);
        assert!(exit.after < BUDGET / 2, "{:?}", exit.after);
        let name = if signal == Signal::TERM { "SIGTERM" } else { "SIGINT" };
        assert!(exit.stderr.contains(&format!("macadam: shutdown ({name}): exit code 0")), "{}", exit.stderr);
    }
}

#[test]
fn a_request_in_flight_at_the_signal_gets_its_whole_response() {
    let mut child =
        Child::start("a_request_in_flight_at_the_signal_gets_its_whole_response", roles::serves_and_drains);
    let mut client = get(&child.wait_for("READY"), "/slow");
    child.wait_for("HANDLING");
    child.signal(Signal::TERM);
    child.wait_for("DRAINING");

    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(response.contains("connection: close") && response.ends_with("slow"), "{response}");
    let exit = child.exit();
    assert_eq!(exit.code, 0, "{}", exit.stderr);
    assert!(exit.stderr.contains("1 response completed meanwhile"), "{}", exit.stderr);
}

#[test]
fn a_second_signal_exits_at_once_with_1_and_says_what_it_cut() {
    let mut child =
        Child::start("a_second_signal_exits_at_once_with_1_and_says_what_it_cut", roles::serves_and_drains);
    let _client = get(&child.wait_for("READY"), "/endless");
    child.wait_for("HANDLING");
    child.signal(Signal::TERM);
    child.wait_for("DRAINING");
    child.signal(Signal::INT);
    let exit = child.exit();
    assert_eq!(exit.code, 1, "{}", exit.stderr);
    assert!(exit.after < AT_ONCE, "{:?}", exit.after);
    assert!(exit.stderr.contains("a second signal, SIGINT: exit code 1, while draining"), "{}", exit.stderr);
    assert!(exit.stderr.contains("cut: id-of-endless GET /endless, "), "{}", exit.stderr);
}

#[test]
fn the_first_signal_after_a_trigger_does_not_force_and_the_next_one_does() {
    let mut child = Child::start(
        "the_first_signal_after_a_trigger_does_not_force_and_the_next_one_does",
        roles::triggers_itself,
    );
    let _client = get(&child.wait_for("READY"), "/endless");
    child.wait_for("DRAINING");
    child.signal(Signal::TERM);
    assert!(child.lives_for(Duration::from_millis(200)));
    child.signal(Signal::TERM);
    assert_eq!(child.exit().code, 1);
}

#[test]
fn work_that_does_not_end_is_cut_named_and_exits_with_75_before_the_budget() {
    let mut child = Child::start(
        "work_that_does_not_end_is_cut_named_and_exits_with_75_before_the_budget",
        roles::serves_and_drains,
    );
    let _client = get(&child.wait_for("READY"), "/endless");
    child.wait_for("HANDLING");
    child.signal(Signal::TERM);
    let exit = child.exit();
    assert_eq!(exit.code, 75, "{}", exit.stderr);
    assert!(exit.after < BUDGET, "{:?}", exit.after);
    assert!(exit.stderr.contains("macadam: shutdown (SIGTERM): exit code 75"), "{}", exit.stderr);
    assert!(exit.stderr.contains("cut: the server, with the connections it still held"), "{}", exit.stderr);
    assert!(exit.stderr.contains("cut: id-of-endless GET /endless, "), "{}", exit.stderr);
}

#[test]
fn with_every_worker_blocked_the_process_exits_at_its_budget_with_75_and_names_them() {
    let mut child = Child::start(
        "with_every_worker_blocked_the_process_exits_at_its_budget_with_75_and_names_them",
        roles::serves_and_drains,
    );
    let _client = get(&child.wait_for("READY"), "/block-both");
    child.wait_for("BLOCKED");
    child.wait_for("BLOCKED");
    child.signal(Signal::TERM);
    let exit = child.exit();
    assert_eq!(exit.code, 75, "{}", exit.stderr);
    assert!(exit.after >= BUDGET && exit.after < BUDGET + AT_ONCE, "{:?}", exit.after);
    // The main thread is no worker: `run` returned in time, and it is the runtime that cannot be dropped.
    let (report, last_words) = exit.stderr.split_once("budget of 2s is over").unwrap();
    for said in [report, last_words] {
        let (_, request) = said.split_once("cut: id-of-block-both GET /block-both, ").unwrap();
        assert!(request.contains("s old, handling\n"), "{}", exit.stderr);
    }
}

#[test]
fn with_the_only_thread_blocked_phases_still_end_in_time_and_the_process_with_75() {
    let mut child = Child::start(
        "with_the_only_thread_blocked_phases_still_end_in_time_and_the_process_with_75",
        roles::blocks_its_only_thread,
    );
    let _client = get(&child.wait_for("READY"), "/block");
    child.wait_for("BLOCKED");
    child.signal(Signal::TERM);
    for (phase, from, to) in
        [("lame-duck", 0, 100), ("draining", 300, 400), ("closing", 600, 700), ("cleanup", 1_100, 1_200)]
    {
        child.wait_for(&format!("PHASE {phase}"));
        let after = child.since_signal();
        let range = Duration::from_millis(from)..Duration::from_millis(to);
        assert!(range.contains(&after), "{phase} after {after:?}");
    }
    let exit = child.exit();
    assert_eq!(exit.code, 75, "{}", exit.stderr);
    assert!(exit.after >= BUDGET && exit.after < BUDGET + AT_ONCE, "{:?}", exit.after);
    assert!(exit.stderr.contains("budget of 2s is over: exit code 75, while cleanup"), "{}", exit.stderr);
    assert!(exit.stderr.contains("cut: id-of-block GET /block, "), "{}", exit.stderr);
    assert!(exit.stderr.contains("cut: task `poller`, "), "{}", exit.stderr);
    assert!(exit.stderr.contains("cut: hook `flush`, not begun\n"), "{}", exit.stderr);
}

#[test]
fn a_task_that_blocks_is_cut_and_named_and_does_not_keep_the_process() {
    let mut child = Child::start(
        "a_task_that_blocks_is_cut_and_named_and_does_not_keep_the_process",
        roles::has_a_task_that_blocks,
    );
    child.wait_for("READY");
    child.signal(Signal::TERM);
    child.wait_for("BLOCKED");
    child.wait_for("RETURNED 75");
    assert!(child.since_signal() < BUDGET, "run has its drain and no more");
    let exit = child.exit();
    assert_eq!(exit.code, 75, "{}", exit.stderr);
    assert!(exit.after >= BUDGET && exit.after < BUDGET + AT_ONCE, "{:?}", exit.after);
    let (report, last_words) = exit.stderr.split_once("budget of 2s is over").unwrap();
    assert!(report.contains("cut: task `blocks`, "), "{report}");
    assert!(last_words.contains(" s old, aborted, and blocking its thread\n"), "{last_words}");
}

#[test]
fn a_standard_error_that_nobody_reads_does_not_keep_the_process() {
    let mut child = Child::start(
        "a_standard_error_that_nobody_reads_does_not_keep_the_process",
        roles::fills_its_standard_error,
    );
    let _client = get(&child.wait_for("READY"), "/block");
    child.wait_for("BLOCKED");
    child.signal(Signal::TERM);
    let exit = child.exit();
    assert_eq!(exit.code, 75);
    assert!(exit.after >= BUDGET && exit.after < BUDGET + AT_ONCE, "{:?}", exit.after);
}

#[test]
fn a_runtime_that_hangs_after_run_has_returned_is_reaped_at_the_budget() {
    let mut child = Child::start(
        "a_runtime_that_hangs_after_run_has_returned_is_reaped_at_the_budget",
        roles::leaves_a_blocking_task,
    );
    child.wait_for("READY");
    child.signal(Signal::TERM);
    child.wait_for("RETURNED 0");
    assert!(child.since_signal() < BUDGET / 2);
    let exit = child.exit();
    assert_eq!(exit.code, 75, "{}", exit.stderr);
    assert!(exit.after >= BUDGET && exit.after < BUDGET + AT_ONCE, "{:?}", exit.after);
    assert!(exit.stderr.contains("exit code 75, while stopped"), "{}", exit.stderr);
    assert!(exit.stderr.contains("still here: "), "{}", exit.stderr);
}

#[test]
fn without_the_reaper_such_a_process_would_stay() {
    let mut child = Child::start(
        "without_the_reaper_such_a_process_would_stay",
        roles::leaves_a_blocking_task_without_a_reaper,
    );
    child.wait_for("READY");
    child.signal(Signal::TERM);
    child.wait_for("RETURNED 0");
    assert!(child.lives_for(BUDGET + AT_ONCE));
    child.signal(Signal::TERM);
    assert_eq!(child.exit().code, 1, "the second signal is heard all the same");
}

#[test]
fn hooks_run_in_order_whatever_became_of_the_others_and_a_failed_one_exits_with_70() {
    let mut child = Child::start(
        "hooks_run_in_order_whatever_became_of_the_others_and_a_failed_one_exits_with_70",
        roles::has_bad_hooks,
    );
    child.wait_for("READY");
    child.signal(Signal::TERM);
    for hook in ["HOOK fails", "HOOK panics", "HOOK hangs", "HOOK blocks", "HOOK good"] {
        child.wait_for(hook);
    }
    child.wait_for("RETURNED 70");
    let report = child.wait_for_stderr("hook `good`");
    let lines: Vec<_> = report.lines().map(str::trim).filter(|line| line.starts_with("hook `")).collect();
    for (line, expected) in lines.iter().zip([
        "hook `fails`: failed (the disk is full) after 0.0",
        "hook `panics`: panicked after 0.0",
        "hook `hangs`: cut at its limit after 0.2",
        "hook `blocks`: cut at its limit after 0.2",
        "hook `good`: done after 0.0",
    ]) {
        assert!(line.starts_with(expected), "{line}");
    }
    assert_eq!(lines.len(), 5, "{report}");
    let exit = child.exit();
    assert_eq!(exit.code, 75);
    let blocks = "cut: hook `blocks`, cut at its limit, and blocking its thread\n";
    assert!(exit.stderr.contains(blocks), "it still holds its worker: {}", exit.stderr);
}

#[test]
fn a_hook_that_hangs_when_the_budget_ends_is_named() {
    let mut child =
        Child::start("a_hook_that_hangs_when_the_budget_ends_is_named", roles::hook_blocks_the_only_thread);
    child.wait_for("READY");
    child.signal(Signal::TERM);
    let exit = child.exit();
    assert_eq!(exit.code, 75);
    assert!(exit.stderr.contains("cut: hook `blocks`, running for "), "{}", exit.stderr);
    assert!(exit.stderr.contains("cut: hook `good`, not begun\n"), "{}", exit.stderr);
}

#[test]
fn a_server_that_fails_is_a_shutdown_with_hooks_and_exits_with_70() {
    let mut child =
        Child::start("a_server_that_fails_is_a_shutdown_with_hooks_and_exits_with_70", roles::server_fails);
    child.wait_for("HOOK good");
    let exit = child.exit();
    assert_eq!(exit.code, 70, "{}", exit.stderr);
    assert!(exit.stderr.contains("shutdown (the server failed): exit code 70"), "{}", exit.stderr);
    assert!(exit.stderr.contains("the server failed: no more sockets"), "{}", exit.stderr);
}

#[test]
fn a_run_that_is_dropped_leaves_the_process_its_budget_and_no_more() {
    let mut child =
        Child::start("a_run_that_is_dropped_leaves_the_process_its_budget_and_no_more", roles::drops_its_run);
    child.wait_for("DROPPED stopped");
    let dropped = Instant::now();
    let exit = child.exit();
    assert_eq!(exit.code, 75, "{}", exit.stderr);
    let after = dropped.elapsed();
    assert!(after >= BUDGET - AT_ONCE && after < BUDGET + AT_ONCE, "{after:?}");
}

/// Sends a request and leaves its response to be read.
fn get(ready: &str, path: &str) -> TcpStream {
    let address = ready.split_whitespace().nth(1).expect("READY and an address");
    let mut client = TcpStream::connect(address).unwrap();
    write!(client, "GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    client
}
