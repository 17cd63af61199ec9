//! How many descriptors the process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// Raises this process' soft limit of descriptors to the hard one, and returns what it is then.
///
/// The soft limit is low, 1,024 as a rule, for the sake of programs that use `select`. No server does.
pub fn raise_descriptor_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current.unwrap_or(u64::MAX);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => {
            info!(from = ?current, to = ?maximum, "raised the soft limit of descriptors to the hard one");
            maximum.unwrap_or(u64::MAX)
        }
        Err(error) => {
            warn!(%error, limit = ?current, "could not raise the soft limit of descriptors");
            current.unwrap_or(u64::MAX)
        }
    }
}

/// How many connections fit into so many descriptors, with some left for files, pools and clients.
pub(crate) fn connections_in(descriptors: u64) -> usize {
    let others = (descriptors / 8).clamp(32, 1024);
    usize::try_from(descriptors.saturating_sub(others)).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_left_for_others() {
        assert_eq!(connections_in(u64::MAX), usize::MAX - 1024);
        assert_eq!(connections_in(20_000), 18_976);
        assert_eq!(connections_in(1_024), 896);
        assert_eq!(connections_in(64), 32);
        assert_eq!(connections_in(16), 1);
    }
}
