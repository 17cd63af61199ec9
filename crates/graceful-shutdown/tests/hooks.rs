//! Hooks: when each begins, what it waits for, and what becomes of one that fails.

#![expect(clippy::unwrap_used, reason = "here an error is a failure of the test, wherever it happens")]

use std::{
    convert::Infallible,
    future,
    sync::{Arc, Mutex},
    time::Duration,
};

use macadam_core::Phase;
use macadam_graceful_shutdown::{
    Draining, Hook, HookEnd, HookReport, Shutdown, ShutdownBuilder, ShutdownHandle,
};
use tokio::sync::oneshot;

const A_WHILE: Duration = Duration::from_millis(40);

fn shutdown() -> ShutdownBuilder {
    Shutdown::builder().signals(false).reaper(false).lame_duck(A_WHILE).drain(A_WHILE)
}

async fn serve(draining: Draining) -> Result<(), Infallible> {
    draining.await;
    Ok(())
}

/// A server that ends by itself, so that the test's clock may be paused: the watcher's never is.
async fn serve_no_more(_: Draining) -> Result<(), Infallible> {
    Ok(())
}

/// What happened, in its order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn read(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// A hook that takes so long, and notes its begin and its end.
    fn hook(&self, name: &'static str, takes: Duration) -> Hook {
        let diary = self.clone();
        Hook::new(name, async move || {
            diary.note(format!("{name} begins"));
            tokio::time::sleep(takes).await;
            diary.note(format!("{name} ends"));
            Ok::<_, Infallible>(())
        })
    }
}

/// A hook that notes in which phase it begins.
fn noting_its_phase(name: &'static str, diary: &Diary, handle: &Arc<Mutex<Option<ShutdownHandle>>>) -> Hook {
    let (diary, handle) = (diary.clone(), Arc::clone(handle));
    Hook::new(name, async move || {
        let phase = handle.lock().unwrap().as_ref().map(ShutdownHandle::phase).expect("it was given");
        diary.note(format!("{name}: {phase}"));
        Ok::<_, Infallible>(())
    })
}

#[tokio::test]
async fn hooks_run_after_the_server_and_those_they_wait_for_whatever_became_of_them() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let hook = |name: &'static str, result: Result<(), &'static str>| {
        let seen = Arc::clone(&seen);
        move || async move {
            seen.lock().unwrap().push(name);
            result
        }
    };
    let limit = Duration::from_secs(1);
    let shutdown = shutdown()
        .hook(Hook::new("second", hook("second", Ok(()))).limit(limit).after("first"))
        .hook(Hook::new("first", hook("first", Err("no"))).limit(limit))
        .build()
        .unwrap();
    let server = Arc::clone(&seen);
    shutdown.handle().trigger("enough");
    let report = shutdown
        .run(|draining| async move {
            draining.await;
            server.lock().unwrap().push("server");
            Ok::<_, Infallible>(())
        })
        .await;

    assert_eq!(*seen.lock().unwrap(), ["server", "first", "second"]);
    let [second, first] = report.hooks() else { panic!("two hooks: {report:?}") };
    assert_eq!((first.name(), second.name()), ("first", "second"));
    assert!(matches!(first.end(), HookEnd::Failed(error) if error.to_string() == "no"));
    assert!(second.is_done());
    assert_eq!(report.exit_code(), 70);
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_cut_at_its_limit_and_not_a_tick_before() {
    let limit = Duration::from_secs(2);
    let hook = |after: Duration| {
        move || async move {
            tokio::time::sleep(after).await;
            Ok::<_, Infallible>(())
        }
    };
    let tick = Duration::from_millis(1);
    let just = Hook::new("just", hook(limit - tick)).limit(limit);
    let late = Hook::new("late", hook(limit + tick)).limit(limit);
    let shutdown = shutdown().hook(just).hook(late);
    let report = shutdown.build().unwrap().run(|_| future::ready(Ok::<_, Infallible>(()))).await;
    let [just, late] = report.hooks() else { panic!("two hooks: {report:?}") };
    assert!(just.is_done());
    assert!(matches!(late.end(), HookEnd::TimedOut));
    assert_eq!(late.took(), limit);
}

#[tokio::test]
async fn each_hook_begins_with_its_phase_and_the_last_one_after_all_others() {
    for (lame_duck, first) in [(A_WHILE, "lame-duck"), (Duration::ZERO, "draining")] {
        let (diary, handle) = (Diary::default(), Arc::default());
        let hook = |name| noting_its_phase(name, &diary, &handle);
        let shutdown = shutdown()
            .lame_duck(lame_duck)
            .drain(Duration::from_secs(10))
            .hook(hook("flush").last())
            .hook(hook("close"))
            .hook(hook("leave").at_lame_duck())
            .hook(hook("consume no more").after("leave").at_draining())
            .build()
            .unwrap();
        *handle.lock().unwrap() = Some(shutdown.handle());
        shutdown.handle().trigger("enough");
        // It drains until the early ones have been there.
        let seen = diary.clone();
        let server = async move |draining: Draining| {
            draining.await;
            while seen.0.lock().unwrap().len() < 2 {
                tokio::task::yield_now().await;
            }
            Ok::<_, Infallible>(())
        };
        let report = shutdown.run(server).await;
        assert_eq!(report.exit_code(), 0, "{report}");
        assert_eq!(
            diary.read(),
            [&format!("leave: {first}"), "consume no more: draining", "close: cleanup", "flush: cleanup"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_that_do_not_wait_for_each_other_run_at_the_same_time() {
    let diary = Diary::default();
    let shutdown = shutdown()
        .hook(diary.hook("a", 2 * A_WHILE))
        .hook(diary.hook("b", A_WHILE))
        .hook(diary.hook("c", A_WHILE).after("b"))
        .hook(diary.hook("d", A_WHILE).after("a").after("b"))
        .hook(diary.hook("e", A_WHILE).last());
    let report = shutdown.build().unwrap().run(serve_no_more).await;
    assert!(report.hooks().iter().all(HookReport::is_done), "{report}");
    let diary = diary.read();
    assert_eq!(diary[..3], ["a begins", "b begins", "b ends"]);
    let at = |what: &str| diary.iter().position(|noted| noted == what).unwrap();
    assert!(at("b ends") < at("c begins"));
    assert!(at("a ends") < at("d begins"));
    assert!(at("e begins") > at("c ends") && at("e begins") > at("d ends"));
}

#[tokio::test(start_paused = true)]
async fn what_begins_with_cleanup_waits_for_an_early_hook_until_that_ones_limit_and_not_a_tick_more() {
    let diary = Diary::default();
    let limit = Duration::from_secs(2);
    let began = tokio::time::Instant::now();
    let then = diary.clone();
    let shutdown = shutdown().hook(diary.hook("hangs", Duration::MAX).at_draining().limit(limit)).hook(
        Hook::new("close", async move || {
            then.note(format!("close after {:?}", began.elapsed()));
            Ok::<_, Infallible>(())
        }),
    );
    let report = shutdown.build().unwrap().run(serve_no_more).await;
    assert_eq!(diary.read(), ["hangs begins", "close after 2s"]);
    let [hangs, close] = report.hooks() else { panic!("two hooks: {report:?}") };
    assert!(matches!(hangs.end(), HookEnd::TimedOut) && close.is_done());
    assert_eq!((hangs.took(), report.exit_code()), (limit, 70));
}

#[tokio::test]
async fn a_drain_does_not_wait_for_a_hook() {
    let (go, gone) = oneshot::channel::<()>();
    let slow = Hook::new("slow", async move || gone.await.map_err(|_| "nobody says go")).at_lame_duck();
    let shutdown = shutdown().hook(slow).build().unwrap();
    let handle = shutdown.handle();
    handle.trigger("enough");
    let run = tokio::spawn(shutdown.run(serve));
    handle.watch().reached(Phase::Cleanup).await;
    go.send(()).unwrap();
    assert_eq!(run.await.unwrap().exit_code(), 0);
}

#[tokio::test]
async fn a_run_that_is_dropped_stops_without_its_hooks() {
    let (ran, mut hook) = oneshot::channel();
    let shutdown = shutdown()
        .hook(
            Hook::new("never", || future::ready(ran.send(()).map_err(|()| "nobody listens"))).limit(A_WHILE),
        )
        .build()
        .unwrap();
    let handle = shutdown.handle();
    let run = tokio::spawn(shutdown.run(serve));
    handle.watch().reached(Phase::Serving).await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    assert_eq!(handle.phase(), Phase::Stopped);
    assert!(!handle.trigger("too late"));
    assert!(hook.try_recv().is_err());
}

#[tokio::test]
async fn a_hook_that_runs_when_its_run_is_dropped_is_dropped_too() {
    let (begins, begun) = oneshot::channel::<()>();
    let (end, ended) = oneshot::channel::<()>();
    let hangs = Hook::new("hangs", async move || {
        let _end = end;
        let _ = begins.send(());
        future::pending::<Result<(), Infallible>>().await
    });
    let shutdown = shutdown().hook(hangs.at_lame_duck()).build().unwrap();
    shutdown.handle().trigger("enough");
    let run = tokio::spawn(shutdown.run(serve));
    begun.await.unwrap();
    run.abort();
    assert!(ended.await.is_err());
}
