//! One arm before its plant, on a runtime of its own.

use std::{
    fmt,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tower::ServiceExt;

use crate::{
    account::{Account, PATIENCE, Record, Verdict},
    arm::{Arm, Guarded},
    plant::{Change, Kind, Plant},
    schedule::{Arrival, Client},
};

/// An arm, a plant, and the thread that both run on.
pub struct Lane {
    runtime: Handle,
    guarded: Guarded,
    plant: Plant,
    ledger: Arc<Mutex<Vec<Record>>>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Lane {
    /// A fresh arm before a fresh plant.
    ///
    /// # Panics
    ///
    /// If there is no thread to be had.
    pub fn new(arm: Arm, kind: Kind) -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime can be had");
        let handle = runtime.handle().clone();
        let plant = Plant::new(kind);
        let guarded = {
            let _entered = handle.enter();
            arm.guard(plant.clone())
        };
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(arm.to_string())
            .spawn(move || {
                // It does not matter whether it was told to stop or let go of.
                let _ = runtime.block_on(stopped);
            })
            .expect("a thread can be had");
        Self { runtime: handle, guarded, plant, ledger: Arc::default(), stop, thread }
    }

    /// A task for this request, which is due now.
    pub(super) fn send(&self, start: Instant, arrival: Arrival) {
        let Arrival { due, client } = arrival;
        let (guarded, ledger) = (self.guarded.clone(), Arc::clone(&self.ledger));
        self.runtime.spawn(async move {
            let at = start + due;
            let verdict = timeout_at(at + PATIENCE, ask(guarded, client)).await.unwrap_or(Verdict::GaveUp);
            let record = Record { client, due, latency: at.elapsed(), verdict };
            ledger.lock().expect("nobody panics with it").push(record);
        });
    }

    pub(super) fn change(&self, change: Change) {
        self.plant.change(change);
    }

    /// What has come of its requests. All are over when the last client's patience is.
    pub(super) fn finish(self) -> Account {
        let _ = self.stop.send(());
        self.thread.join().expect("its tasks do not panic");
        Account::new(std::mem::take(&mut self.ledger.lock().expect("nobody panics with it")))
    }
}

/// To the last byte of the answer: an arm may count until there.
pub(crate) async fn ask(guarded: Guarded, client: Client) -> Verdict {
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(client);
    let answer = guarded.oneshot(request).await;
    let response = answer.unwrap_or_else(|never| match never {});
    let verdict = if response.status() == StatusCode::OK { Verdict::Served } else { Verdict::Shed };
    match response.into_body().collect().await {
        Ok(_) => verdict,
        Err(_) => Verdict::GaveUp,
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("plant", &self.plant).finish_non_exhaustive()
    }
}
