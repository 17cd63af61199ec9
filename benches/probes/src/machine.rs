//! What else the machine did.

use std::fs;

/// What part of the time of all cores a hypervisor gave to others.
#[derive(Clone, Copy)]
pub(crate) struct Steal {
    stolen: u64,
    all: u64,
}

impl Steal {
    /// Since the machine was started.
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let all = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
        // By proc(5): user, nice, system, idle, iowait, irq, softirq, steal; guests are counted in the first two.
        let ticks: Vec<u64> = all.take(8).filter_map(|ticks| ticks.parse().ok()).collect();
        Self { stolen: ticks.get(7).copied().unwrap_or_default(), all: ticks.iter().sum() }
    }

    pub(crate) fn since(self) -> Self {
        let now = Self::now();
        Self { stolen: now.stolen - self.stolen, all: now.all - self.all }
    }

    pub(crate) fn percent(self) -> f64 {
        self.stolen as f64 * 100.0 / self.all.max(1) as f64
    }
}

pub(crate) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim().to_owned());
    name.unwrap_or_else(|| "a processor that does not say its name".into())
}
