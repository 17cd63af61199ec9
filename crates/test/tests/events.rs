//! What is recorded on this thread is captured, with what surrounds it.

use macadam_test::events;
use tracing::{Level, field::Empty};

#[test]
fn spans_and_events_are_captured_with_their_fields() {
    let captured = events::capture();
    let outer = tracing::info_span!("outer", id = "a\"b", later = Empty);
    {
        let _outer = outer.enter();
        let _inner = tracing::debug_span!("inner", number = 3).entered();
        tracing::warn!(target: "somewhere", error = %"e", "it {}", "happened");
    }
    outer.record("later", true);

    let [event] = captured.events().try_into().unwrap();
    assert_eq!(
        (event.level, event.target.as_str(), event.message.as_str()),
        (Level::WARN, "somewhere", "it happened")
    );
    assert_eq!(event.fields["error"], "e");
    assert_eq!(event.spans, ["outer", "inner"]);

    let span = captured.span("outer");
    assert_eq!(span.fields["id"], "a\"b");
    assert_eq!(span.fields["later"], "true");
    assert!(!span.is_closed);
    assert_eq!(captured.span("inner").parents, ["outer"]);
    assert!(captured.span("inner").is_closed);
    drop(outer);
    assert!(captured.span("outer").is_closed);
}

#[test]
fn nothing_is_captured_after_its_end() {
    let first = events::capture();
    drop(first);
    let second = events::capture();
    tracing::info!("one");
    assert_eq!(second.events().len(), 1);
}

#[test]
fn a_callsite_that_a_thread_without_a_subscriber_reached_first_is_heard_all_the_same() {
    fn speak() {
        tracing::info!("heard");
    }
    let captured = events::capture();
    std::thread::spawn(speak).join().unwrap();
    speak();
    assert_eq!(captured.events().len(), 1, "this thread's");
}
