//! What a probe is told, before it is put into words.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{
    class::Status,
    health::{Health, Line},
    probe::{Probe, Query, Target},
};

/// What a probe is told.
pub(crate) struct Told<'a> {
    pub(crate) probe: Probe,
    /// Whether it asked one check alone, which answers for itself whether or not its failure would fail the probe.
    pub(crate) single: bool,
    /// Each with whether it was excluded.
    pub(crate) lines: Vec<(Line<'a>, bool)>,
    /// What was to be excluded and is not there.
    pub(crate) unknown: Vec<&'a str>,
}

impl<'a> Told<'a> {
    /// Nothing if the target is a check that this probe does not ask.
    pub(crate) fn of(health: &'a Health, target: Target<'a>, query: &Query<'a>) -> Option<Self> {
        let Target { probe, check } = target;
        let lines: Vec<_> = match check {
            None => health
                .lines(probe)
                .map(|line| {
                    let excluded = query.excluded.contains(&line.name);
                    (line, excluded)
                })
                .collect(),
            Some(name) => {
                health.lines(probe).filter(|line| line.name == name).map(|line| (line, false)).collect()
            }
        };
        if lines.is_empty() {
            return None;
        }
        let is_there = |name: &str| lines.iter().any(|(line, _)| line.name == name);
        let unknown = match check {
            None => query.excluded.iter().copied().filter(|name| !is_there(name)).collect(),
            Some(_) => Vec::new(),
        };
        Some(Self { probe, single: check.is_some(), lines, unknown })
    }

    /// Without those that were excluded.
    pub(crate) fn counted(&self) -> impl Iterator<Item = &Line<'a>> {
        self.lines.iter().filter(|(_, excluded)| !excluded).map(|(line, _)| line)
    }

    /// What it comes to.
    pub(crate) fn status(&self) -> Status {
        self.counted().map(|line| self.status_of(line)).max().unwrap_or(Status::Pass)
    }

    pub(crate) fn status_of(&self, line: &Line<'_>) -> Status {
        match line.status() {
            Status::Warn if self.single => Status::Fail,
            status => status,
        }
    }

    /// Whether nothing fails but that the process is on its way out.
    pub(crate) fn only_leaves(&self) -> bool {
        let mut failing = self.counted().filter(|line| self.status_of(line) == Status::Fail).peekable();
        failing.peek().is_some() && failing.all(Line::tells_of_shutdown)
    }

    pub(crate) fn tells_of_shutdown(&self) -> bool {
        self.counted().any(Line::tells_of_shutdown)
    }

    /// The state's name: the same for all that say the same, so that it holds for a successor too.
    ///
    /// It is a weak one, as neither ages nor the form are part of it. The hash is the standard library's with fixed
    /// keys; where a new release changes it, who waits is answered once too often.
    pub(crate) fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        let status = self.status().as_str();
        (status, self.probe.as_str()).hash(&mut hasher);
        for line in self.counted() {
            (line.name, line.status().as_str()).hash(&mut hasher);
            // Its reason is the phase, and who waits is not to keep a draining connection open.
            if line.tells_of_shutdown() {
                line.finding.hash(&mut hasher);
            }
        }
        format!("W/\"{status}-{:016x}\"", hasher.finish())
    }
}
