//! The course of a shutdown, from within a process that goes on: without signals and without the reaper.

use std::{
    convert::Infallible,
    future, io,
    process::{ExitCode, Termination},
    time::Duration,
};

use http::{Request, Response};
use macadam_core::{Gauges, Phase, RequestContext};
use macadam_graceful_shutdown::{Draining, LameDuckEnd, Reason, Shutdown, ShutdownBuilder};
use tokio::sync::oneshot;
use tower::{Layer, Service, service_fn};

const A_WHILE: Duration = Duration::from_millis(40);

fn shutdown() -> ShutdownBuilder {
    Shutdown::builder().signals(false).reaper(false).lame_duck(A_WHILE).drain(A_WHILE)
}

async fn serve(draining: Draining) -> Result<(), Infallible> {
    draining.await;
    Ok(())
}

#[tokio::test]
async fn each_phase_takes_its_time_and_the_report_says_so() {
    let shutdown = shutdown().build().unwrap();
    let handle = shutdown.handle();
    let _place = handle.in_flight().enter(None);
    handle.trigger("enough");
    let report = shutdown.run(serve).await;

    let phases: Vec<_> = report.phases().iter().map(|(phase, _)| *phase).collect();
    assert_eq!(phases, [Phase::LameDuck, Phase::Draining, Phase::Closing, Phase::Cleanup]);
    for ((phase, took), least) in report.phases().iter().zip([A_WHILE, A_WHILE, Duration::from_millis(500)]) {
        assert!(*took >= least, "{phase} took {took:?}");
    }
    assert_eq!((report.cut_total(), report.cut().len(), report.exit_code()), (1, 0, 75));
}

#[tokio::test]
async fn a_lame_duck_that_probes_have_noticed_ends_when_requests_have_ceased_for_a_second() {
    let lame_duck = shutdown().lame_duck(Duration::from_secs(20)).lame_duck_min(Duration::ZERO);
    let shutdown = lame_duck.budget(Duration::from_secs(60)).build().unwrap();
    let handle = shutdown.handle();
    let mut service =
        shutdown.layer().layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new()))));
    handle.trigger("enough");
    let run = tokio::spawn(shutdown.run(serve));
    handle.watch().reached(Phase::LameDuck).await;
    let mut last = tokio::time::Instant::now();
    for _ in 0..3 {
        handle.watch().note_probe();
        tokio::time::sleep(Duration::from_millis(200)).await;
        service.call(Request::new(())).await.unwrap();
        last = tokio::time::Instant::now();
    }
    handle.watch().reached(Phase::Draining).await;
    let quiet = last.elapsed();
    assert!(quiet >= Duration::from_millis(990) && quiet < Duration::from_secs(10), "{quiet:?}");

    let report = run.await.unwrap();
    assert_eq!(report.lame_duck_end(), Some(LameDuckEnd::Noticed));
    let said = report.to_string();
    assert!(said.contains("the lame duck ended: probes have seen it and no more requests come"), "{said}");
}

#[tokio::test]
async fn a_lame_duck_that_nobody_noticed_takes_its_most_and_one_that_was_left_out_has_no_end() {
    let shutdown = |most| {
        let shutdown = shutdown().lame_duck(most).lame_duck_min(Duration::ZERO).build().unwrap();
        shutdown.handle().trigger("enough");
        shutdown.run(serve)
    };
    let report = shutdown(A_WHILE).await;
    assert_eq!(report.lame_duck_end(), Some(LameDuckEnd::Maximum));
    assert!(report.phases()[0].1 >= A_WHILE);
    assert_eq!(shutdown(Duration::ZERO).await.lame_duck_end(), None);
}

#[tokio::test]
async fn it_drains_until_the_server_has_ended_and_the_table_is_empty() {
    for server_first in [true, false] {
        let shutdown = shutdown().drain(Duration::from_secs(20)).build().unwrap();
        let handle = shutdown.handle();
        handle.trigger("enough");
        let (end, ended) = oneshot::channel::<()>();
        let server = async {
            let _ = ended.await;
            Ok::<_, Infallible>(())
        };
        let (mut end, mut place) = (Some(end), Some(handle.in_flight().enter(None)));

        let run = tokio::spawn(shutdown.run(|_| server));
        handle.watch().reached(Phase::Draining).await;
        if server_first {
            drop(end.take());
        } else {
            drop(place.take());
        }
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(
            handle.phase(),
            Phase::Draining,
            "one of them is left; the server ended first: {server_first}"
        );
        drop((end, place));
        let report = run.await.unwrap();
        assert_eq!(report.exit_code(), 0);
        assert!(report.phases().iter().all(|(phase, _)| *phase != Phase::Closing));
    }
}

#[tokio::test]
async fn a_server_that_ends_by_itself_is_drained_without_a_lame_duck() {
    let shutdown = shutdown().lame_duck(Duration::from_secs(5)).build().unwrap();
    let report = shutdown.run(|_| future::ready(Ok::<_, Infallible>(()))).await;
    assert_eq!(report.reason(), &Reason::ServerEnded);
    let phases: Vec<_> = report.phases().iter().map(|(phase, _)| *phase).collect();
    assert_eq!(phases, [Phase::Draining, Phase::Cleanup]);
    assert_eq!(report.exit_code(), 0);
}

#[tokio::test]
async fn a_server_that_fails_after_the_signal_keeps_the_signals_reason_and_is_not_clean() {
    let shutdown = shutdown().build().unwrap();
    shutdown.handle().trigger("enough");
    let server = |draining: Draining| async {
        draining.await;
        Err::<(), _>(io::Error::other("a bad end"))
    };
    let report = shutdown.run(server).await;
    assert_eq!(report.reason(), &Reason::Trigger("enough".into()));
    assert_eq!(report.error().unwrap().to_string(), "a bad end");
    assert_eq!(report.report(), ExitCode::from(70));
}

#[tokio::test]
async fn a_server_that_does_not_end_is_dropped_after_closing() {
    let shutdown = shutdown().build().unwrap();
    shutdown.handle().trigger("enough");
    let report = shutdown.run(|_| future::pending::<Result<(), Infallible>>()).await;
    assert!(report.server_cut());
    assert_eq!(report.cut_total(), 0);
    assert_eq!(report.report(), ExitCode::from(75));
}

#[tokio::test]
async fn what_was_cut_is_named_whether_it_is_still_there_or_was_dropped_while_closing() {
    let shutdown = shutdown().drain(10 * A_WHILE).build().unwrap();
    let handle = shutdown.handle();
    handle.trigger("enough");
    let mut service =
        shutdown.layer().layer(service_fn(|_| future::pending::<Result<Response<String>, Infallible>>()));
    let mut request = |id: &'static str| {
        let mut request = Request::new(());
        RequestContext::of(&mut request).set_request_id(id).expect("it is an id");
        service.call(request)
    };
    let (stays, goes, cancelled) = (request("stays"), request("goes"), request("cancelled"));

    let watch = handle.watch();
    let run = tokio::spawn(shutdown.run(serve));
    watch.reached(Phase::Draining).await;
    drop(cancelled);
    watch.reached(Phase::Closing).await;
    // At once: before anybody has looked who is there.
    drop(goes);
    let report = run.await.unwrap();
    drop(stays);

    let ids: Vec<_> = report.cut().iter().filter_map(|cut| cut.request_id()).collect();
    assert_eq!(ids, ["stays", "goes"]);
    assert_eq!((report.cut_total(), report.exit_code()), (2, 75));
}

#[tokio::test]
async fn responses_are_counted_from_the_lame_duck_on() {
    let shutdown = shutdown().build().unwrap();
    let handle = shutdown.handle();
    let mut service =
        shutdown.layer().layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new()))));
    let watch = handle.watch();
    let run = tokio::spawn(shutdown.run(serve));
    watch.reached(Phase::Serving).await;
    service.call(Request::new(())).await.unwrap();
    handle.trigger("enough");
    watch.reached(Phase::LameDuck).await;
    service.call(Request::new(())).await.unwrap();
    service.call(Request::new(())).await.unwrap();
    assert_eq!(run.await.unwrap().completed(), 2);
}

#[tokio::test]
async fn the_first_reason_stays_and_a_trigger_before_run_is_remembered() {
    let shutdown = shutdown().build().unwrap();
    let handle = shutdown.handle();
    assert!(handle.trigger("one"));
    assert!(!handle.clone().trigger("another"));
    assert_eq!(handle.phase(), Phase::Starting, "nothing moves before `run`");
    assert_eq!(shutdown.run(serve).await.reason(), &Reason::Trigger("one".into()));
}

#[tokio::test]
async fn handles_see_the_phases_and_the_table() {
    let shutdown = shutdown().build().unwrap();
    let handle = shutdown.handle();
    let readings = || {
        let mut readings = Vec::new();
        handle.read(&mut |reading| readings.push((reading.name, reading.value)));
        readings
    };
    let names = [
        "macadam_shutdown_phase",
        "macadam_requests_in_flight",
        "macadam_shutdown_streams_waiting",
        "macadam_shutdown_streams_ended_total",
        "macadam_tasks",
        "macadam_tasks_panicked_total",
    ];
    assert_eq!(readings(), names.map(|name| (name, 0.0)));
    let place = handle.in_flight().enter(None);
    assert_eq!(readings()[1], ("macadam_requests_in_flight", 1.0));
    drop(place);

    handle.trigger("enough");
    let draining = tokio::spawn(handle.draining());
    drop(shutdown.run(serve).await);
    draining.await.unwrap();
    assert_eq!(readings()[0], ("macadam_shutdown_phase", 6.0));
    handle.draining().await;
}

#[tokio::test]
async fn what_a_server_notes_of_its_connections_is_reported() {
    let noted = async |cut: (usize, usize), discarded| {
        let shutdown = shutdown().build().unwrap();
        let handle = shutdown.handle();
        handle.trigger("enough");
        let server = async |draining: Draining| {
            draining.await;
            handle.note_cut(cut.0, cut.1);
            handle.note_discarded(discarded);
            Ok::<_, Infallible>(())
        };
        shutdown.run(server).await
    };
    let report = noted((3, 2), 0).await;
    assert_eq!((report.connections_cut(), report.cut_total(), report.exit_code()), (3, 2, 75));
    let said = report.to_string();
    assert!(said.contains("\n  cut: 3 connections\n  cut: 2 requests, not named"), "{said}");

    // Who is discarded sends it again: nothing that was begun is lost.
    let report = noted((0, 0), 2).await;
    assert_eq!((report.discarded(), report.exit_code()), (2, 0));
    assert!(report.to_string().contains("\n  discarded: 2 requests"), "{report}");
}

#[tokio::test]
async fn a_request_that_the_server_and_the_layer_saw_cut_is_one() {
    let shutdown = shutdown().build().unwrap();
    let handle = shutdown.handle();
    let place = handle.in_flight().enter(None);
    handle.trigger("enough");
    let server = async |draining: Draining| {
        draining.await;
        handle.watch().reached(Phase::Closing).await;
        handle.note_cut(1, 1);
        Ok::<_, Infallible>(())
    };
    let report = shutdown.run(server).await;
    drop(place);
    assert_eq!((report.connections_cut(), report.cut_total()), (1, 1));
}

#[tokio::test]
async fn requests_that_come_while_draining_are_late_and_those_of_the_lame_duck_are_not() {
    let shutdown = shutdown().drain(Duration::from_secs(10)).build().unwrap();
    let handle = shutdown.handle();
    let mut service =
        shutdown.layer().layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new()))));
    handle.trigger("enough");
    let server = async |draining: Draining| {
        handle.watch().reached(Phase::LameDuck).await;
        service.call(Request::new(())).await?;
        draining.await;
        service.call(Request::new(())).await?;
        service.call(Request::new(())).await?;
        Ok::<_, Infallible>(())
    };
    let report = shutdown.run(server).await;
    assert_eq!((report.late(), report.completed(), report.exit_code()), (2, 3, 0));
    assert!(report.to_string().contains("\n  late: 2 requests"), "{report}");
}
