//! How much memory the process has, as Linux tells it; nothing elsewhere.

use std::{fs, path::Path};

use serde::Serialize;

/// In bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Memory {
    /// What the process has in memory.
    pub(crate) resident: Option<u64>,
    /// What all processes of its control group have, page cache included.
    pub(crate) group: Option<u64>,
    /// What they may have, where there is a limit.
    pub(crate) group_limit: Option<u64>,
}

impl Memory {
    pub(crate) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").ok();
        let groups = fs::read_to_string("/proc/self/cgroup").ok();
        let path = groups.as_deref().and_then(path_of_group).unwrap_or_default();
        let group = Path::new("/sys/fs/cgroup").join(path);
        // No limit reads `max`, which is no number.
        let number = |file: &str| fs::read_to_string(group.join(file)).ok()?.trim().parse().ok();
        Self {
            resident: status.as_deref().and_then(resident),
            group: number("memory.current"),
            group_limit: number("memory.max"),
        }
    }
}

fn resident(status: &str) -> Option<u64> {
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kibibytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The path of the process's group in the second version of control groups.
fn path_of_group(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| line.strip_prefix("0::/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_understood() {
        assert_eq!(resident("Name:\torders\nVmRSS:\t    2048 kB\nThreads:\t3\n"), Some(2 << 20));
        assert_eq!(resident("Name:\torders\n"), None);
        assert_eq!(path_of_group("1:cpu:/x\n0::/system.slice/orders\n"), Some("system.slice/orders"));
        assert_eq!(path_of_group("0::/\n"), Some(""));
        assert_eq!(path_of_group("1:cpu:/x\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_some() {
        assert!(Memory::now().resident.is_some_and(|bytes| bytes > 1 << 20));
    }
}
