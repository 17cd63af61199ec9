//! Signals from outside the gate.

use std::sync::Arc;

/// Says how scarce something is that requests need: memory, descriptors, a disk.
///
/// It is asked every tenth of a second on the runtime that serves, so it must not block for long; a file of the kernel
/// is all right.
pub trait Pressure: Send + Sync + 'static {
    /// From 0, plenty, to 1, none left. What is sheddable is refused from 0.85 on, and more the higher it is; from 0.95
    /// on everything but what is `critical-plus`. A number that is none is no pressure.
    fn read(&self) -> f64;
}

impl<F: Fn() -> f64 + Send + Sync + 'static> Pressure for F {
    fn read(&self) -> f64 {
        self()
    }
}

pub(crate) type Pressures = Vec<Arc<dyn Pressure>>;

/// The first class that is refused at the highest of these pressures; as many as there are classes refuse none. The
/// two ends are those of Envoy's overload manager for a heap.
pub(crate) fn refused_from(highest: f64) -> u8 {
    match highest {
        pressure if pressure >= 0.95 => 1,
        pressure if pressure >= 0.90 => 2,
        pressure if pressure >= 0.85 => 3,
        _ => 4,
    }
}

/// The memory of the process's control group (v2), as a part of its limit. No pressure where there is no limit.
///
/// Counted is what cannot be taken back: the page cache of files that were not used lately goes first when memory is
/// short, so it is left out, as Kubernetes does for its working set.
#[derive(Clone, Debug)]
pub struct CgroupMemory {
    folder: std::path::PathBuf,
}

impl CgroupMemory {
    /// The group that this process is in; `None` where the system has no second version of control groups.
    pub fn of_this_process() -> Option<Self> {
        let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        let folder = std::path::Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/'));
        let found = Self { folder };
        found.number("memory.current").map(|_| found)
    }

    fn number(&self, file: &str) -> Option<u64> {
        std::fs::read_to_string(self.folder.join(file)).ok()?.trim().parse().ok()
    }

    fn inactive_file(&self) -> Option<u64> {
        let stat = std::fs::read_to_string(self.folder.join("memory.stat")).ok()?;
        stat.lines().find_map(|line| line.strip_prefix("inactive_file "))?.trim().parse().ok()
    }
}

impl Pressure for CgroupMemory {
    fn read(&self) -> f64 {
        // No limit reads `max`, which is no number.
        let (Some(current), Some(max)) = (self.number("memory.current"), self.number("memory.max")) else {
            return 0.0;
        };
        let working_set = current.saturating_sub(self.inactive_file().unwrap_or(0));
        working_set as f64 / max as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classes_are_refused_from_the_bottom_up() {
        let steps = [0.0, 0.849, 0.85, 0.9, 0.95, 1.0, f64::INFINITY, f64::NAN, -1.0];
        assert_eq!(steps.map(refused_from), [4, 4, 3, 2, 1, 1, 1, 4, 4]);
    }

    #[test]
    fn memory_is_the_working_set_over_the_limit() {
        let folder = std::env::temp_dir().join(format!("macadam-cgroup-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write("memory.current", "1000\n");
        write("memory.max", "2000\n");
        write("memory.stat", "anon 1\ninactive_file 200\nslab 3\n");
        let memory = CgroupMemory { folder: folder.clone() };
        assert_eq!(memory.read(), 0.4);
        write("memory.max", "max\n");
        assert_eq!(memory.read(), 0.0, "no limit");
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(memory.read(), 0.0, "no group");
    }
}
