//! The end of a process that does not end by itself.

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
    process,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use macadam_core::Phase;
use tracing::{Dispatch, Level, dispatcher};

use crate::{course::Course, hooks::LeftHook, report::exit_code, requests::Roll, tasks::LeftTask};

/// Says what is stuck, and exits.
#[derive(Debug)]
pub(crate) struct Reaper {
    course: Arc<Course>,
    /// The log of the thread that started the shutdown, which a test may have to itself.
    log: Dispatch,
    flush: Option<Flush>,
}

/// What brings last words on their way.
#[derive(Clone)]
pub(crate) struct Flush(pub(crate) Arc<dyn Fn() + Send + Sync>);

impl fmt::Debug for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Flush").finish_non_exhaustive()
    }
}

/// Why the process is made to exit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    /// A second signal came.
    Forced(&'static str),
    /// The budget, this long, is over.
    OutOfTime(Duration),
}

impl Reaper {
    /// Speaks of `course`, to the standard error and to the log that is current here.
    pub(crate) fn new(course: &Arc<Course>, flush: Option<Flush>) -> Self {
        Self { course: Arc::clone(course), log: dispatcher::get_default(Dispatch::clone), flush }
    }

    /// Exits, after last words if they can be spoken.
    pub(crate) fn exit(&self, verdict: Verdict) -> ! {
        // On a thread of their own: a full pipe, or a lock that a blocked worker holds, may take them for ever.
        let (spoken, heard) = mpsc::sync_channel(1);
        let (course, log, flush) = (Arc::clone(&self.course), self.log.clone(), self.flush.clone());
        let speaker = thread::Builder::new().name("macadam-last-words".into());
        let speaking = speaker.spawn(move || {
            last_words(&course, &log, verdict);
            if let Some(Flush(flush)) = flush {
                flush();
            }
            spoken.send(())
        });
        if speaking.is_ok() {
            let _ = heard.recv_timeout(LAST_WORDS);
        }
        process::exit(verdict.exit_code().into())
    }
}

impl Verdict {
    fn exit_code(self) -> u8 {
        match self {
            Self::Forced(_) => exit_code::FORCED,
            Self::OutOfTime(_) => exit_code::CUT,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forced(name) => write!(f, "a second signal, {name}"),
            Self::OutOfTime(budget) => write!(f, "the shutdown's budget of {budget:?} is over"),
        }
    }
}

fn last_words(course: &Course, log: &Dispatch, verdict: Verdict) {
    let exit_code = verdict.exit_code();
    let phase = course.phase().current();
    let requests = Roll::of(&course.ledger().in_flight);
    let tasks = course.tasks.left();
    let hooks = course.hooks.left();

    let mut words = format!("macadam: {verdict}: exit code {exit_code}, while {phase}");
    let _ = requests.write(&mut words, LINE, "request");
    let _ = tasks.write(&mut words, LINE, "task");
    for hook in &hooks {
        let _ = write!(words, "{LINE}{hook}");
    }
    if phase == Phase::Stopped {
        words.push_str("\n  still here: a blocked worker, or a blocking task, that the runtime waits for");
    }
    words.push('\n');
    // First the way that can fail least.
    let _ = io::stderr().lock().write_all(words.as_bytes());

    dispatcher::with_default(log, || {
        let (in_flight, tasks_left) = (requests.total, tasks.total);
        tracing::error!(exit_code, phase = phase.as_str(), in_flight, tasks_left, "{verdict}");
        requests.named.iter().for_each(|request| request.tell(Level::ERROR));
        tasks.named.iter().for_each(LeftTask::tell);
        hooks.iter().for_each(LeftHook::tell);
    });
}

const LINE: &str = "\n  cut: ";
/// What saying it may take: of the tenth of a second that the process has after its budget.
const LAST_WORDS: Duration = Duration::from_millis(50);
