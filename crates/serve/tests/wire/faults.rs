//! Each part of the drain is there for something: without it, a test of this crate fails.

use std::{cell::Cell, thread};

use macadam_serve::Mechanism;

use crate::{drain, http1_drain, http2};

thread_local! {
    /// What the servers that this thread opens work without.
    pub(crate) static WITHOUT: Cell<Option<Mechanism>> = const { Cell::new(None) };
}

/// A part of the drain, and a test that needs it.
#[rustfmt::skip]
const NEEDED: &[(Mechanism, fn())] = &[
    (Mechanism::Mark, http1_drain::half_a_later_head_is_answered_when_it_is_completed_in_the_drain),
    (Mechanism::Mark, http1_drain::half_a_head_in_the_packet_of_the_request_before_is_answered),
    (Mechanism::Mark, http1_drain::whole_requests_in_one_packet_are_all_answered_and_only_the_last_answer_says_close),
    (Mechanism::Flush, http1_drain::a_big_answer_to_a_slow_reader_is_whole),
    (Mechanism::Kernel, drain::a_request_of_which_only_the_kernel_knows_keeps_an_idle_connection),
    (Mechanism::WakeOnFlush, http1_drain::a_big_answer_to_a_slow_reader_is_whole),
    (Mechanism::Wake, http1_drain::idle_connections_get_a_clean_end_of_file),
    (Mechanism::CloseHeader, http1_drain::the_lame_duck_accepts_answers_with_close_and_leaves_idle_connections_alone),
    (Mechanism::EarlyGoAway, http2::an_idle_connection_that_was_answered_is_told_in_the_lame_duck),
    (Mechanism::FirstAnswer, http2::a_connection_accepted_in_the_lame_duck_is_answered_once_before_it_is_told),
    (Mechanism::FirstStream, http2::a_connection_accepted_before_the_drain_has_a_second_for_its_first_stream),
    (Mechanism::HangUp, http2::a_peer_without_pong_is_dropped_a_second_after_its_last_stream),
    (Mechanism::Patience, http1_drain::a_fresh_connection_has_a_second_for_its_first_byte),
    (Mechanism::Patience, http1_drain::half_a_first_head_is_answered_when_it_is_completed_in_the_drain),
    (Mechanism::Patience, http2::a_handshake_in_progress_has_a_second_in_the_drain),
    (Mechanism::Hurry, http1_drain::a_fresh_connection_has_a_second_for_its_first_byte),
    (Mechanism::Hurry, http2::a_handshake_in_progress_has_a_second_in_the_drain),
    (Mechanism::Linger, drain::after_an_error_of_the_protocol_the_close_lingers_too),
    (Mechanism::Linger, drain::a_connection_without_a_byte_whose_first_request_meets_its_close_is_counted),
    (Mechanism::Linger, http2::after_the_pong_the_last_goaway_names_the_last_stream_and_the_socket_stays_for_what_is_under_way),
    (Mechanism::Backlog, drain::two_hundred_requests_that_came_while_the_process_stood_still_are_answered_though_it_then_drains),
    (Mechanism::Backlog, http1_drain::what_the_kernel_has_accepted_is_served_before_the_listener_closes),
];

#[test]
fn without_any_part_of_the_drain_a_test_fails() {
    // Each on a thread of its own: they mostly wait.
    let trials: Vec<_> = NEEDED
        .iter()
        .map(|(mechanism, test)| {
            thread::spawn(move || {
                WITHOUT.set(Some(*mechanism));
                test();
            })
        })
        .collect();
    let results: Vec<_> = trials.into_iter().map(thread::JoinHandle::join).collect();
    let unmissed: Vec<_> = NEEDED
        .iter()
        .zip(&results)
        .filter(|(_, result)| result.is_ok())
        .map(|((mechanism, _), _)| mechanism)
        .collect();
    assert!(unmissed.is_empty(), "nobody misses {unmissed:?}");
}
