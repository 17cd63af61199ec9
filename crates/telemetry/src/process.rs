//! What the process takes of the machine, and what its runtime says of itself.

use std::fmt;

use macadam_core::{Gauges, Metric, Reading};
use tokio::runtime::Handle;

/// Figures of the process, of its control group's memory and of a runtime, by OpenTelemetry's names where it has some; but
/// `process_threads` and `process_open_fds`, since a name that ends in `_count` is a histogram's to Prometheus.
///
/// What the system does not tell is left out: outside of Linux that is all but the runtime.
///
/// ```
/// use macadam_core::Gauges;
/// use macadam_telemetry::Process;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let process = Process::new(tokio::runtime::Handle::current());
/// let mut memory = None;
/// process.read(&mut |reading| {
///     if reading.name == "process_memory_usage_bytes" {
///         memory = Some(reading.value);
///     }
/// });
/// assert_eq!(memory.is_some(), cfg!(target_os = "linux"));
/// # }
/// ```
#[derive(Clone)]
pub struct Process {
    runtime: Handle,
}

impl Process {
    /// Of this process, and of the runtime that serves.
    pub fn new(runtime: Handle) -> Self {
        Self { runtime }
    }

    fn runtime(&self, out: &mut dyn FnMut(Reading<'_>)) {
        let metrics = self.runtime.metrics();
        let mut figure = |name, value| out(Reading { name, labels: &[], value });
        let workers = 0..metrics.num_workers();
        figure("tokio_runtime_workers", workers.len() as f64);
        figure("tokio_runtime_alive_tasks", metrics.num_alive_tasks() as f64);
        figure("tokio_runtime_global_queue_depth", metrics.global_queue_depth() as f64);
        let busy = workers.clone().map(|worker| metrics.worker_total_busy_duration(worker).as_secs_f64());
        figure("tokio_runtime_busy_seconds_total", busy.sum());
        let parks = workers.map(|worker| metrics.worker_park_count(worker) as f64);
        figure("tokio_runtime_parks_total", parks.sum());
    }
}

impl Gauges for Process {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        #[cfg(target_os = "linux")]
        linux::read(out);
        self.runtime(out);
    }

    fn metrics(&self) -> &'static [Metric] {
        Self::METRICS
    }
}

impl Process {
    /// What its figures mean.
    pub const METRICS: &'static [Metric] = &[
        Metric::new("process_cpu_time_seconds_total", "Time on a processor, by who spent it", &["cpu_mode"])
            .at_most(2),
        Metric::new("process_memory_usage_bytes", "Memory that the process has in RAM", &[]),
        Metric::new("process_memory_virtual_bytes", "Addresses that the process has taken", &[]),
        Metric::new("process_threads", "Threads of the process", &[]),
        Metric::new("process_open_fds", "File descriptors that are open", &[]),
        Metric::new("process_uptime_seconds", "For how long the process has run", &[]),
        Metric::new(
            "macadam_cgroup_memory_bytes",
            "Memory of the process' control group, page cache included",
            &[],
        ),
        Metric::new("macadam_cgroup_memory_limit_bytes", "What that may be, where there is a limit", &[]),
        Metric::new("tokio_runtime_workers", "Threads that run the service's tasks", &[]),
        Metric::new("tokio_runtime_alive_tasks", "Tasks that are not over", &[]),
        Metric::new("tokio_runtime_global_queue_depth", "Tasks that no worker has taken yet", &[]),
        Metric::new(
            "tokio_runtime_busy_seconds_total",
            "Time that the workers were not parked, of all together",
            &[],
        ),
        Metric::new("tokio_runtime_parks_total", "How often a worker had nothing to do", &[]),
    ];
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").finish_non_exhaustive()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{fs, path::Path};

    use macadam_core::Reading;
    use procfs::{Current, ProcResult, Uptime, process};

    /// Each figure for itself: a system that hides one may tell the others.
    pub(super) fn read(out: &mut dyn FnMut(Reading<'_>)) {
        let Ok(process) = process::Process::myself() else { return };
        if let Ok(stat) = process.stat() {
            let ticks = procfs::ticks_per_second() as f64;
            for (mode, time) in [("user", stat.utime), ("system", stat.stime)] {
                let labels = &[("cpu_mode", mode)];
                out(Reading { name: "process_cpu_time_seconds_total", labels, value: time as f64 / ticks });
            }
            let mut figure = |name, value| out(Reading { name, labels: &[], value });
            figure("process_memory_usage_bytes", stat.rss as f64 * procfs::page_size() as f64);
            figure("process_memory_virtual_bytes", stat.vsize as f64);
            figure("process_threads", stat.num_threads as f64);
            if let Ok(uptime) = Uptime::current() {
                figure("process_uptime_seconds", (uptime.uptime - stat.starttime as f64 / ticks).max(0.0));
            }
        }
        let mut figure = |name, value: Option<f64>| {
            if let Some(value) = value {
                out(Reading { name, labels: &[], value });
            }
        };
        figure("process_open_fds", process.fd_count().ok().map(|count| count as f64));
        let group = group(&process).unwrap_or_default();
        // No limit reads `max`, which is no number.
        let number = |file| {
            let path = Path::new("/sys/fs/cgroup").join(group.trim_start_matches('/')).join(file);
            fs::read_to_string(path).ok()?.trim().parse().ok()
        };
        figure("macadam_cgroup_memory_bytes", number("memory.current"));
        figure("macadam_cgroup_memory_limit_bytes", number("memory.max"));
    }

    /// The path of the process' group in the second version of control groups.
    fn group(process: &process::Process) -> ProcResult<String> {
        let unified = process.cgroups()?.into_iter().find(|group| group.hierarchy == 0);
        Ok(unified.map(|group| group.pathname).unwrap_or_default())
    }
}
