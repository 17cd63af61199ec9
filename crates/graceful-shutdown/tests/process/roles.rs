//! The services that the tests send signals to. Each returns what its process exits with.

use std::{
    convert::Infallible,
    future,
    io::{self, Write},
    process::Termination,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, routing::get};
use macadam_core::{Phase, RequestContext, Route, Stage};
use macadam_graceful_shutdown::{Draining, Hook, Report, Shutdown, ShutdownBuilder, ShutdownHandle};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle, Runtime},
    time::sleep,
};
use tower::{ServiceBuilder, util::MapRequestLayer};

pub(crate) const BUDGET: Duration = Duration::from_secs(2);

pub(crate) fn serves_and_drains() -> u8 {
    two_workers().block_on(serve(short().lame_duck(Duration::ZERO)))
}

pub(crate) fn triggers_itself() -> u8 {
    let shutdown = short().lame_duck(Duration::ZERO).drain(Duration::from_millis(1_000)).build().unwrap();
    two_workers().block_on(run(shutdown, |handle| {
        tokio::spawn(async move {
            while handle.in_flight().is_empty() {
                sleep(Duration::from_millis(1)).await;
            }
            handle.trigger("the lease is lost");
        });
    }))
}

pub(crate) fn blocks_its_only_thread() -> u8 {
    let flush = Hook::new("flush", good).limit(Duration::from_millis(100)).last();
    let shutdown = short().hook(flush).build().unwrap();
    let phases = shutdown.handle();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for phase in [Phase::LameDuck, Phase::Draining, Phase::Closing, Phase::Cleanup] {
                say(&format!("PHASE {}", phases.watch().reached(phase).await));
            }
        });
    });
    one_thread().block_on(run(shutdown, |handle| drop(handle.spawn("poller", future::pending::<()>()))))
}

pub(crate) fn has_a_task_that_blocks() -> u8 {
    let runtime = two_workers();
    let shutdown = short().lame_duck(Duration::ZERO).build().unwrap();
    let code = runtime.block_on(run(shutdown, |handle| {
        let draining = handle.draining();
        handle.spawn("blocks", async {
            draining.await;
            say("BLOCKED");
            block();
        });
    }));
    drop(runtime);
    code
}

pub(crate) fn fills_its_standard_error() -> u8 {
    thread::spawn(|| {
        let mut stderr = io::stderr().lock();
        while stderr.write_all(&[b'.'; 1024]).is_ok() {}
    });
    two_workers().block_on(serve(short().lame_duck(Duration::ZERO)))
}

pub(crate) fn leaves_a_blocking_task() -> u8 {
    let runtime = two_workers();
    runtime.spawn_blocking(block);
    let code = runtime.block_on(serve(short().lame_duck(Duration::ZERO)));
    drop(runtime);
    code
}

pub(crate) fn leaves_a_blocking_task_without_a_reaper() -> u8 {
    let runtime = two_workers();
    runtime.spawn_blocking(block);
    let code = runtime.block_on(serve(short().lame_duck(Duration::ZERO).reaper(false)));
    drop(runtime);
    code
}

pub(crate) fn has_bad_hooks() -> u8 {
    let limit = Duration::from_millis(200);
    let fails = Hook::new("fails", || async {
        say("HOOK fails");
        Err("the disk is full")
    })
    .limit(limit);
    let panics = Hook::new("panics", || async {
        say("HOOK panics");
        if true {
            panic!("as it should");
        }
        Ok::<_, Infallible>(())
    })
    .limit(limit);
    let hangs = Hook::new("hangs", || async {
        say("HOOK hangs");
        future::pending::<Result<_, Infallible>>().await
    })
    .limit(limit);
    let blocks = Hook::new("blocks", || {
        say("HOOK blocks");
        block();
        future::ready(Ok::<_, Infallible>(()))
    })
    .limit(limit);
    let shutdown = short()
        .lame_duck(Duration::ZERO)
        .hook(fails)
        .hook(panics.after("fails"))
        .hook(hangs.after("panics"))
        .hook(blocks.after("hangs"))
        .hook(Hook::new("good", good).limit(limit).after("blocks"));
    let runtime = two_workers();
    let code = runtime.block_on(serve(shutdown));
    drop(runtime);
    code
}

pub(crate) fn hook_blocks_the_only_thread() -> u8 {
    let blocks = Hook::new("blocks", || {
        block();
        future::ready(Ok::<_, Infallible>(()))
    })
    .limit(Duration::from_millis(200));
    let then = Hook::new("good", good).limit(Duration::from_millis(200)).after("blocks");
    one_thread().block_on(serve(short().lame_duck(Duration::ZERO).hook(blocks).hook(then)))
}

pub(crate) fn server_fails() -> u8 {
    let shutdown = short().hook(Hook::new("good", good).limit(Duration::from_millis(200))).build().unwrap();
    let report = two_workers()
        .block_on(shutdown.run(|_| future::ready(Err::<(), _>(io::Error::other("no more sockets")))));
    exit_code(report)
}

pub(crate) fn drops_its_run() -> u8 {
    let shutdown = short().build().unwrap();
    let handle = shutdown.handle();
    two_workers().block_on(async {
        let run = shutdown.run(|_| future::pending::<Result<(), Infallible>>());
        assert!(tokio::time::timeout(Duration::from_millis(20), run).await.is_err());
    });
    say(&format!("DROPPED {}", handle.phase()));
    block();
    0
}

pub(crate) fn hook_hangs() -> u8 {
    let hangs = || {
        say("HOOK hangs");
        future::pending::<Result<_, Infallible>>()
    };
    let hook = Hook::new("hangs", hangs).limit(Duration::from_secs(1));
    let shutdown = short().lame_duck(Duration::ZERO).hook(hook);
    two_workers().block_on(serve(shutdown))
}

pub(crate) fn starts_slowly() -> u8 {
    let shutdown = short().build().unwrap();
    let slow_start = async |draining: Draining| {
        say("STARTING");
        sleep(Duration::from_millis(200)).await;
        draining.await;
        Ok::<_, Infallible>(())
    };
    exit_code(two_workers().block_on(shutdown.run(slow_start)))
}

pub(crate) fn never_runs() -> u8 {
    let _shutdown = short().build().unwrap();
    say("BUILT");
    block();
    0
}

pub(crate) fn reloads() -> u8 {
    two_workers().block_on(serve(reloading()))
}

#[cfg(feature = "systemd")]
pub(crate) fn reloads_under_systemd() -> u8 {
    two_workers().block_on(serve(reloading().systemd(true)))
}

#[cfg(feature = "systemd")]
pub(crate) fn serves_under_systemd() -> u8 {
    two_workers().block_on(serve(short().systemd(true)))
}

#[cfg(feature = "systemd")]
pub(crate) fn blocks_under_systemd() -> u8 {
    one_thread().block_on(serve(short().systemd(true)))
}

/// Every other reload panics; the one after it runs all the same.
fn reloading() -> ShutdownBuilder {
    let count = Arc::new(AtomicUsize::new(0));
    short().on_reload("every other", Duration::from_secs(1), move || {
        let reload = count.fetch_add(1, Relaxed) + 1;
        say(&format!("RELOAD {reload}"));
        async move {
            assert!(reload % 2 == 1, "as it should");
            Ok::<_, Infallible>(())
        }
    })
}

/// 300 ms of lame duck, 300 ms of draining, 500 ms of closing.
fn short() -> ShutdownBuilder {
    let phase = Duration::from_millis(300);
    Shutdown::builder().lame_duck(phase).drain(phase).budget(BUDGET)
}

async fn serve(shutdown: ShutdownBuilder) -> u8 {
    run(shutdown.build().unwrap(), |_| ()).await
}

async fn run(shutdown: Shutdown, beside: impl FnOnce(ShutdownHandle)) -> u8 {
    let handle = shutdown.handle();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app(&handle).layer(
        // Outermost first: the id is there when the request enters the table.
        ServiceBuilder::new().layer(MapRequestLayer::new(identify)).layer(shutdown.layer()),
    );
    beside(handle.clone());
    tokio::spawn(async move {
        handle.draining().await;
        say("DRAINING");
    });
    let report = shutdown
        .run(|draining| {
            say(&format!("READY {address}"));
            axum::serve(listener, app).with_graceful_shutdown(draining)
        })
        .await;
    exit_code(report)
}

fn app(handle: &ShutdownHandle) -> Router {
    let slow = handle.clone();
    Router::new()
        .route(
            "/slow",
            get(async move || {
                say("HANDLING");
                slow.draining().await;
                sleep(Duration::from_millis(50)).await;
                "slow"
            }),
        )
        .route(
            "/endless",
            get(async || {
                say("HANDLING");
                future::pending::<Body>().await
            }),
        )
        .route(
            "/block",
            get(async || {
                say("BLOCKED");
                block();
            }),
        )
        .route(
            "/block-both",
            get(async || {
                let runtime = Handle::current();
                // From outside of the runtime, so that it wakes the other worker: what a worker spawns, or reads from
                // a socket, it may keep to itself.
                thread::spawn(move || {
                    runtime.spawn(async {
                        say("BLOCKED");
                        block();
                    })
                });
                say("BLOCKED");
                block();
            }),
        )
}

fn identify(mut request: Request) -> Request {
    let context = RequestContext::of(&mut request);
    let name = request.uri().path().trim_start_matches('/').to_owned();
    context.set_request_id(format!("id-of-{name}")).unwrap();
    context.set_route(Route::intern(request.uri().path()));
    context.set_stage(Stage::Handling);
    request
}

async fn good() -> Result<(), Infallible> {
    say("HOOK good");
    Ok(())
}

fn exit_code(report: Report) -> u8 {
    let code = report.exit_code();
    say(&format!("RETURNED {code}"));
    assert_eq!(report.report(), code.into());
    code
}

fn two_workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "blocking is the point")]
fn block() {
    thread::sleep(Duration::from_secs(60));
}

/// A line for the test: not by `println`, which the harness may keep to itself.
fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).expect("the test listens");
}
