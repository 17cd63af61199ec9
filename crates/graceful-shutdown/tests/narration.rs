//! What the log tells. One test a process: whether an event is wanted at all is decided once, by the first thread
//! that comes across it.

use std::{convert::Infallible, future, time::Duration};

use http::Request;
use macadam_core::{RequestContext, Route};
use macadam_graceful_shutdown::{Draining, Hook, Reason, Shutdown};
use macadam_test::events;

async fn serve(draining: Draining) -> Result<(), Infallible> {
    draining.await;
    Ok(())
}

#[tokio::test]
async fn every_phase_is_told_once_in_order_with_what_it_knows() {
    let captured = events::capture();
    let a_while = Duration::from_millis(40);
    let shutdown = Shutdown::builder()
        .signals(false)
        .reaper(false)
        .lame_duck(a_while)
        .drain(a_while)
        .hook(Hook::new("bad", || future::ready(Err("no"))).limit(a_while))
        .build()
        .unwrap();
    let handle = shutdown.handle();
    let context = RequestContext::of(&mut Request::new(()));
    context.set_request_id("theirs").unwrap();
    context.set_route(Route::intern("/orders/{id}"));
    let place = handle.in_flight().enter(Some(context));
    handle.trigger("the lease is lost");
    let report = shutdown.run(serve).await;
    drop(place);

    let events = captured.events();
    let phases: Vec<_> = events.iter().filter_map(|event| event.fields.get("phase")).collect();
    assert_eq!(phases, ["serving", "lame-duck", "draining", "closing", "cleanup", "stopped"]);
    let lame_duck = &events[1];
    assert_eq!(lame_duck.fields["reason"], "the lease is lost");
    assert_eq!(lame_duck.fields["in_flight"], "1");
    assert_eq!(events[2].fields["lame_duck"], "its time is over");
    assert_eq!(report.reason(), &Reason::Trigger("the lease is lost".into()));

    let loud: Vec<_> = events.iter().filter(|event| event.level < tracing::Level::INFO).collect();
    let [closing, cut, hook] = loud[..] else { panic!("three things went wrong: {loud:#?}") };
    assert_eq!(closing.fields["phase"], "closing");
    let fields = ["request_id", "http.request.method", "http.route", "stage"];
    assert_eq!(fields.map(|name| &*cut.fields[name]), ["theirs", "GET", "/orders/{id}", "received"]);
    assert!(cut.fields["age_seconds"].parse::<f64>().unwrap() >= 0.5, "{cut:?}");
    assert_eq!(cut.message, "a request was cut");
    assert_eq!((&*hook.fields["hook"], &*hook.fields["end"]), ("bad", "failed (no)"));
}
