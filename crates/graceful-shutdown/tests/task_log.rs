//! What the log tells of tasks. One test a process, as in `narration.rs`.

use std::{convert::Infallible, future, time::Duration};

use macadam_graceful_shutdown::{Draining, Shutdown};
use macadam_test::events;
use tracing::Level;

#[tokio::test]
async fn a_panic_is_told_at_once_and_a_cut_when_it_is_made() {
    let captured = events::capture();
    let a_while = Duration::from_millis(40);
    let shutdown = Shutdown::builder().signals(false).reaper(false).lame_duck(Duration::ZERO).drain(a_while);
    let shutdown = shutdown.build().unwrap();
    let handle = shutdown.handle();
    let loud = || captured.events().into_iter().filter(|event| event.level < Level::INFO).collect::<Vec<_>>();

    let panics = async || panic!("as it was told to");
    assert!(handle.spawn("unlucky", async move { panics().await }).await.unwrap_err().is_panic());
    let [panicked] = &loud()[..] else { panic!("one event before the shutdown: {:#?}", loud()) };
    assert_eq!(panicked.level, Level::ERROR);
    assert_eq!(panicked.fields["task"], "unlucky");
    assert!(panicked.fields["age_seconds"].parse::<f64>().is_ok(), "{panicked:?}");

    handle.spawn("deaf", future::pending::<()>());
    handle.trigger("enough");
    let serve = async |draining: Draining| {
        draining.await;
        Ok::<_, Infallible>(())
    };
    let report = shutdown.run(serve).await;
    assert_eq!((report.tasks_panicked().len(), report.exit_code()), (0, 75));
    let [_, closing, cut] = &loud()[..] else { panic!("two more: {:#?}", loud()) };
    assert_eq!(closing.fields["phase"], "closing");
    assert_eq!((&*cut.message, &*cut.fields["task"]), ("a task was cut", "deaf"));
    assert!(cut.fields["age_seconds"].parse::<f64>().unwrap() >= a_while.as_secs_f64(), "{cut:?}");
}
