//! Where each hook is, for the last words of a process that is made to exit.

use std::{
    borrow::Cow,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{task::AbortHandle, time::Instant};

/// The hooks of a shutdown, each with where it is.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<Vec<Line>>);

#[derive(Debug)]
struct Line {
    name: Cow<'static, str>,
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    at: Instant,
    task: AbortHandle,
    cut: bool,
}

/// A hook that is not done.
#[derive(Debug)]
pub(crate) struct LeftHook {
    name: Cow<'static, str>,
    why: Why,
}

#[derive(Debug)]
enum Why {
    NotBegun,
    RunningSince(Instant),
    /// It was cut, and does not let go of its thread.
    Blocks,
}

impl Board {
    pub(crate) fn set(&self, names: impl Iterator<Item = Cow<'static, str>>) {
        *self.lock() = names.map(|name| Line { name, begun: None }).collect();
    }

    pub(crate) fn begin(&self, hook: usize, task: AbortHandle) {
        self.lock()[hook].begun = Some(Begun { at: Instant::now(), task, cut: false });
    }

    /// It has ended, or was cut.
    pub(crate) fn end(&self, hook: usize) {
        if let Some(begun) = &mut self.lock()[hook].begun {
            begun.cut = true;
        }
    }

    pub(crate) fn left(&self) -> Vec<LeftHook> {
        self.lock().iter().filter_map(Line::left).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn left(&self) -> Option<LeftHook> {
        let why = match &self.begun {
            None => Why::NotBegun,
            Some(begun) if begun.task.is_finished() => return None,
            Some(begun) if begun.cut => Why::Blocks,
            Some(begun) => Why::RunningSince(begun.at),
        };
        Some(LeftHook { name: self.name.clone(), why })
    }
}

impl LeftHook {
    /// Logs that it was cut, with the process.
    pub(crate) fn tell(&self) {
        tracing::error!(hook = &*self.name, end = %self.why, "a hook was cut");
    }
}

impl fmt::Display for LeftHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hook `{}`, {}", self.name, self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBegun => f.write_str("not begun"),
            Self::RunningSince(at) => write!(f, "running for {:.3} s", at.elapsed().as_secs_f64()),
            Self::Blocks => f.write_str("cut at its limit, and blocking its thread"),
        }
    }
}
