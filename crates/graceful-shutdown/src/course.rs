//! The course of one shutdown: what its thread, its `run` and its handles share.

use std::sync::{Arc, OnceLock};

use macadam_core::{InFlight, Phase, PhaseOwner, PhaseWatch};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    hooks::Board, ledger::Ledger, phases::LameDuckEnd, reason::Reason, server_notes::ServerNotes,
    tasks::Tasks,
};

#[derive(Debug)]
pub(crate) struct Course {
    phase: PhaseOwner,
    ledger: Arc<Ledger>,
    told: watch::Sender<Told>,
    entered: watch::Sender<Vec<(Phase, Instant)>>,
    began: OnceLock<Instant>,
    lame_duck_end: OnceLock<LameDuckEnd>,
    pub(crate) hooks: Board,
    pub(crate) tasks: Tasks,
    reload: Notify,
    pub(crate) server: ServerNotes,
}

/// What the watcher is told by others.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) reason: Option<Reason>,
    pub(crate) server_ended: bool,
}

impl Course {
    pub(crate) fn new() -> Self {
        let phase = PhaseOwner::new();
        Self {
            ledger: Arc::new(Ledger::new(InFlight::new(), phase.watch())),
            phase,
            told: watch::Sender::default(),
            entered: watch::Sender::default(),
            began: OnceLock::new(),
            lame_duck_end: OnceLock::new(),
            hooks: Board::default(),
            tasks: Tasks::default(),
            reload: Notify::new(),
            server: ServerNotes::default(),
        }
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    pub(crate) fn phase(&self) -> &PhaseWatch {
        &self.ledger.phase
    }

    /// Tells the watcher to begin; `false` if it was told before.
    pub(crate) fn begin(&self, reason: Reason) -> bool {
        self.told.send_if_modified(|told| {
            let first = told.reason.is_none();
            told.reason.get_or_insert(reason);
            first
        })
    }

    /// Tells the watcher that nobody accepts any more, which begins the shutdown if nothing has.
    pub(crate) fn server_ended(&self, reason: Reason) {
        self.told.send_modify(|told| {
            told.reason.get_or_insert(reason);
            told.server_ended = true;
        });
    }

    pub(crate) fn told(&self) -> watch::Receiver<Told> {
        self.told.subscribe()
    }

    /// When the watcher began the shutdown: its budget runs from here.
    pub(crate) fn began(&self) -> Instant {
        *self.began.get_or_init(Instant::now)
    }

    /// Asks for a reload. One that is asked for while another runs comes after it; several are one.
    pub(crate) fn ask_reload(&self) {
        self.reload.notify_one();
    }

    /// Waits until a reload is asked for.
    pub(crate) async fn reload_asked(&self) {
        self.reload.notified().await;
    }

    /// Enters draining from the lame duck, which ended for this reason.
    pub(crate) fn end_lame_duck(&self, end: LameDuckEnd, until: Instant) {
        // Before the phase: who sees that also sees why.
        let _ = self.lame_duck_end.set(end);
        self.enter(Phase::Draining, Some(until));
    }

    /// Why the lame duck ended, if there was one and it has.
    pub(crate) fn lame_duck_end(&self) -> Option<LameDuckEnd> {
        self.lame_duck_end.get().copied()
    }

    /// Enters a phase, unless that or a later one has been entered.
    ///
    /// The watcher and `run` both do, each on its thread: the phase and the list of phases change under one lock.
    pub(crate) fn enter(&self, phase: Phase, until: Option<Instant>) {
        self.entered.send_if_modified(|entered| {
            let moved = self.phase.advance(phase, until);
            if moved {
                entered.push((phase, Instant::now()));
            }
            moved
        });
    }

    /// The phases entered so far, and when.
    pub(crate) fn entered(&self) -> watch::Receiver<Vec<(Phase, Instant)>> {
        self.entered.subscribe()
    }
}
