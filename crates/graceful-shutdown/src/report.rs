//! What became of the work when a process had to leave.

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    process::{ExitCode, Termination},
    time::Duration,
};

use macadam_core::Phase;

use crate::{
    count::Count,
    hooks::HookReport,
    phases::LameDuckEnd,
    reason::Reason,
    requests::{CutRequest, Roll},
    tasks::{Lost, LostTask},
};

/// What became of the work when a process had to leave.
///
/// Returned from `main` it prints itself to the standard error, and the process exits with its
/// [`exit_code`](Self::exit_code).
#[derive(Debug)]
#[must_use = "its exit code is the process'"]
pub struct Report {
    pub(crate) reason: Reason,
    pub(crate) error: Option<Box<dyn Error + Send + Sync>>,
    pub(crate) phases: Vec<(Phase, Duration)>,
    pub(crate) lame_duck_end: Option<LameDuckEnd>,
    pub(crate) completed: u64,
    pub(crate) streams_ended: u64,
    pub(crate) late: u64,
    pub(crate) discarded: u64,
    pub(crate) cut: Roll<CutRequest>,
    pub(crate) connections_cut: usize,
    pub(crate) server_cut: bool,
    pub(crate) tasks: Lost,
    pub(crate) hooks: Vec<HookReport>,
}

impl Report {
    /// Why the shutdown began.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// What the server's future failed with.
    pub fn error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.error.as_deref()
    }

    /// The phases of the shutdown in their order, each with how long it took, from its beginning to the next one's.
    pub fn phases(&self) -> &[(Phase, Duration)] {
        &self.phases
    }

    /// Why the lame duck ended, if there was one.
    pub fn lame_duck_end(&self) -> Option<LameDuckEnd> {
        self.lame_duck_end
    }

    /// How many responses were finished since the shutdown began.
    pub fn completed(&self) -> u64 {
        self.completed
    }

    /// How many streams and upgraded connections ended because their turn had come. The streams among them are
    /// completed responses as well.
    pub fn streams_ended(&self) -> u64 {
        self.streams_ended
    }

    /// How many requests came when nothing was accepted any more, on connections that were still open.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// How many requests the server [threw away unread](crate::ShutdownHandle::note_discarded): who sent them has to
    /// send them again.
    pub fn discarded(&self) -> u64 {
        self.discarded
    }

    /// How many requests were cut, because their time was over.
    pub fn cut_total(&self) -> usize {
        self.cut.total
    }

    /// Those of them that have a context, 32 at most.
    pub fn cut(&self) -> &[CutRequest] {
        &self.cut.named
    }

    /// How many connections the server [cut](crate::ShutdownHandle::note_cut), with a request on them or without.
    pub fn connections_cut(&self) -> usize {
        self.connections_cut
    }

    /// Whether the server's future had not ended in time either, and was dropped with the connections it held.
    pub fn server_cut(&self) -> bool {
        self.server_cut
    }

    /// The [tasks](crate::ShutdownHandle::spawn) that were cut, 32 at most.
    pub fn tasks_cut(&self) -> &[LostTask] {
        &self.tasks.cut.named
    }

    /// Those that panicked since the shutdown began, 32 at most.
    pub fn tasks_panicked(&self) -> &[LostTask] {
        &self.tasks.panicked.named
    }

    /// The hooks, as they were added.
    pub fn hooks(&self) -> &[HookReport] {
        &self.hooks
    }

    /// What the process exits with: 75 (`EX_TEMPFAIL`) if work was cut, else 70 (`EX_SOFTWARE`) if a hook or the
    /// server failed or a task panicked, else 0.
    pub fn exit_code(&self) -> u8 {
        let Lost { cut, panicked } = &self.tasks;
        if self.server_cut || self.connections_cut > 0 || self.cut.total > 0 || cut.total > 0 {
            exit_code::CUT
        } else if self.error.is_some() || panicked.total > 0 || !self.hooks.iter().all(HookReport::is_done) {
            exit_code::FAILED
        } else {
            exit_code::CLEAN
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shutdown ({}): exit code {}", self.reason, self.exit_code())?;
        if let Some(error) = &self.error {
            write!(f, "\n  the server failed: {error}")?;
        }
        write!(f, "\n  ")?;
        for (phase, took) in &self.phases {
            write!(f, "{phase} {:.3} s, ", took.as_secs_f64())?;
        }
        write!(f, "{} completed meanwhile", Count(self.completed, "response"))?;
        if self.streams_ended > 0 {
            write!(f, ", {} ended in turn", Count(self.streams_ended, "stream"))?;
        }
        if let Some(end) = self.lame_duck_end {
            write!(f, "\n  the lame duck ended: {end}")?;
        }
        if self.late > 0 {
            write!(f, "\n  late: {}, after accepting had ended", Count(self.late, "request"))?;
        }
        if self.discarded > 0 {
            write!(
                f,
                "\n  discarded: {}, on connections that were closed",
                Count(self.discarded, "request")
            )?;
        }
        if self.server_cut {
            write!(f, "\n  cut: the server, with the connections it still held")?;
        }
        if self.connections_cut > 0 {
            write!(f, "\n  cut: {}", Count(self.connections_cut, "connection"))?;
        }
        self.cut.write(f, "\n  cut: ", "request")?;
        self.tasks.cut.write(f, "\n  cut: ", "task")?;
        self.tasks.panicked.write(f, "\n  panicked: ", "task")?;
        self.hooks.iter().try_for_each(|hook| write!(f, "\n  {hook}"))
    }
}

impl Termination for Report {
    fn report(self) -> ExitCode {
        // Not `eprintln`, which panics where the standard error is closed: the exit code matters more.
        let _ = writeln!(io::stderr().lock(), "macadam: {self}");
        self.exit_code().into()
    }
}

/// The codes that a process exits with: those of `sysexits.h`, where it has one.
pub(crate) mod exit_code {
    pub(crate) const CLEAN: u8 = 0;
    pub(crate) const FORCED: u8 = 1;
    pub(crate) const FAILED: u8 = 70;
    pub(crate) const CUT: u8 = 75;
}
