//! Who asks for a turn by itself: upgraded connections, streams, long polls.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{
    convert::Infallible,
    future::pending,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::{FutureExt, Stream, StreamExt, stream};
use http::Request;
use macadam_core::{Gauges, InFlight, Outcome, Phase, RequestContext, Stage};
use macadam_graceful_shutdown::{Draining, Report, Shutdown, ShutdownBuilder, ShutdownHandle, UntilDraining};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

const A_WHILE: Duration = Duration::from_millis(40);
/// Whatever a test waits for comes within this, or never.
const SOON: Duration = Duration::from_secs(10);

fn shutdown() -> ShutdownBuilder {
    Shutdown::builder().signals(false).reaper(false).lame_duck(Duration::ZERO).drain(Duration::from_secs(20))
}

fn start(builder: ShutdownBuilder) -> (ShutdownHandle, JoinHandle<Report>) {
    let shutdown = builder.build().unwrap();
    let serve = async |draining: Draining| {
        draining.await;
        Ok::<_, Infallible>(())
    };
    (shutdown.handle(), tokio::spawn(shutdown.run(serve)))
}

async fn report(run: JoinHandle<Report>) -> Report {
    timeout(SOON, run).await.expect("it ends").unwrap()
}

fn context(id: &'static str) -> RequestContext {
    let mut request = Request::new(());
    let context = RequestContext::of(&mut request);
    context.set_request_id(id).unwrap();
    context
}

/// What the gauge of this name says.
fn gauge(handle: &ShutdownHandle, name: &str) -> f64 {
    let mut value = None;
    handle.read(&mut |reading| {
        if reading.name == name {
            value = Some(reading.value);
        }
    });
    value.expect("there is such a gauge")
}

/// Those in flight, by their contexts.
fn in_flight(table: &InFlight) -> Vec<RequestContext> {
    let mut contexts = Vec::new();
    table.for_each(|context| contexts.extend(context.cloned()));
    contexts
}

#[tokio::test]
async fn an_upgraded_connection_is_waited_for_under_the_name_of_its_request_and_told_its_turn() {
    let (handle, run) = start(shutdown());
    let request = context("ws");
    let mut connection = handle.upgraded(Some(&request));
    request.settle(Outcome::Finished);
    let named = in_flight(handle.in_flight()).pop().unwrap();
    assert_eq!(named.request_id(), request.request_id());
    assert_eq!((named.stage(), named.outcome()), (Stage::Upgraded, Outcome::Pending));
    assert!(connection.turn().now_or_never().is_none());

    handle.trigger("enough");
    timeout(SOON, connection.turn()).await.expect("its turn comes");
    sleep(A_WHILE).await;
    assert!(!run.is_finished() && handle.phase() == Phase::Draining, "it takes leave of its peer");
    drop(connection);
    let report = report(run).await;
    assert_eq!((report.streams_ended(), report.cut_total(), report.exit_code()), (1, 0, 0));
    assert!(report.to_string().contains("1 stream ended in turn"), "{report}");
    assert_eq!(named.outcome(), Outcome::Finished);
}

#[tokio::test]
async fn an_upgraded_connection_that_ignores_the_drain_is_cut_at_its_end_counted_and_named() {
    let (handle, run) = start(shutdown().drain(A_WHILE));
    let (deaf, nameless) = (handle.upgraded(Some(&context("deaf"))), handle.upgraded(None));
    let late = handle.upgraded(Some(&context("late")));
    let named = in_flight(handle.in_flight());
    handle.trigger("enough");
    handle.watch().reached(Phase::Closing).await;
    sleep(A_WHILE).await;
    drop(late);
    let report = report(run).await;
    drop((deaf, nameless));

    let mut cut: Vec<_> = report.cut().iter().map(|cut| (cut.request_id().unwrap(), cut.stage())).collect();
    cut.sort_unstable();
    assert_eq!(cut, [("deaf", Stage::Upgraded), ("late", Stage::Upgraded)]);
    assert_eq!((report.cut_total(), report.streams_ended(), report.exit_code()), (3, 0, 75));
    assert!(named.iter().all(|context| context.outcome() == Outcome::CutByShutdown));
}

#[tokio::test]
async fn an_upgraded_connection_that_ends_before_is_finished_and_no_figure_counts_it() {
    let (handle, run) = start(shutdown());
    let mut connection = handle.upgraded(Some(&context("ws")));
    assert!(connection.turn().now_or_never().is_none());
    let named = in_flight(handle.in_flight()).pop().unwrap();
    assert_eq!(gauge(&handle, "macadam_shutdown_streams_waiting"), 1.0);
    drop(connection);
    assert_eq!(gauge(&handle, "macadam_shutdown_streams_waiting"), 0.0);
    assert_eq!((named.outcome(), handle.in_flight().len()), (Outcome::Finished, 0));
    handle.trigger("enough");
    assert_eq!(report(run).await.streams_ended(), 0);
}

#[tokio::test]
async fn a_place_in_the_line_is_kept_from_one_select_to_the_next() {
    let (handle, run) = start(shutdown());
    let mut connection = handle.upgraded(None);
    for _ in 0..10 {
        tokio::select! {
            biased;
            () = connection.turn() => panic!("nobody drains"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(gauge(&handle, "macadam_shutdown_streams_waiting"), 1.0);
    handle.trigger("enough");
    timeout(SOON, connection.turn()).await.expect("its turn comes");
    connection.turn().now_or_never().expect("and stays");
    drop(connection);
    assert_eq!(report(run).await.exit_code(), 0);
    assert_eq!(gauge(&handle, "macadam_shutdown_streams_ended_total"), 1.0);
}

#[tokio::test]
async fn a_stream_until_draining_hands_on_what_is_ready_and_ends_at_its_turn() {
    let (handle, run) = start(shutdown());
    let events = stream::iter(["one", "two"]).chain(stream::pending()).until_draining(&handle);
    let last_words = events.chain(stream::iter(["goodbye"]));
    let read = tokio::spawn(last_words.collect::<Vec<_>>());
    // The table is what a drain waits for: here the stream is not a body.
    let place = handle.in_flight().enter(None);
    sleep(A_WHILE).await;
    assert!(!read.is_finished());
    handle.trigger("enough");
    assert_eq!(timeout(SOON, read).await.expect("it ends").unwrap(), ["one", "two", "goodbye"]);
    drop(place);
    assert_eq!(report(run).await.streams_ended(), 1);
}

#[tokio::test]
async fn a_stream_that_ends_by_itself_leaves_the_line_and_stays_at_its_end() {
    let (handle, run) = start(shutdown());
    let mut numbers = stream::iter(0..3).until_draining(&handle);
    assert_eq!(numbers.size_hint(), (0, Some(3)));
    assert_eq!(numbers.by_ref().collect::<Vec<_>>().await, [0, 1, 2]);
    assert_eq!((numbers.next().await, numbers.size_hint()), (None, (0, Some(0))));
    assert_eq!(gauge(&handle, "macadam_shutdown_streams_waiting"), 0.0);
    handle.trigger("enough");
    assert_eq!(report(run).await.streams_ended(), 0);
}

#[tokio::test]
async fn a_stream_that_always_has_an_item_ends_64_after_its_turn() {
    let (handle, run) = start(shutdown());
    let place = handle.in_flight().enter(None);
    let mut endless = stream::repeat("again").until_draining(&handle);
    endless.next().await.unwrap();
    handle.trigger("enough");
    let called = async {
        while gauge(&handle, "macadam_shutdown_streams_waiting") > 0.0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(SOON, called).await.expect("its turn comes");
    assert_eq!(timeout(SOON, endless.count()).await.expect("it ends"), 64);
    drop(place);
    assert_eq!(report(run).await.exit_code(), 0);
}

#[tokio::test]
async fn a_long_poll_waits_for_its_turn_and_a_dropped_one_leaves_the_line() {
    let (handle, run) = start(shutdown());
    let place = handle.in_flight().enter(None);
    let mut dropped = Box::pin(handle.turn());
    assert_eq!(dropped.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
    drop(dropped);
    let poll = tokio::spawn({
        let turn = handle.turn();
        async move {
            tokio::select! {
                () = pending() => "an event",
                () = turn => "ask again",
            }
        }
    });
    handle.trigger("enough");
    assert_eq!(timeout(SOON, poll).await.expect("its turn comes").unwrap(), "ask again");
    drop(place);
    assert_eq!(report(run).await.streams_ended(), 0, "it is no stream");
}
