//! Whether there is room on a disk.

use std::{io, path::PathBuf, sync::Arc};

use rustix::fs::{StatVfs, StatVfsMountFlags, statvfs};

use crate::{check::Check, checks::question::Question};

/// How much of a file system has to be free for those who are not root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Free {
    /// So many bytes.
    Bytes(u64),
    /// So many per cent of what `df` calls used and available.
    Percent(u8),
}

/// Passes while the file system that holds `path` can be written, has as much room as `least` says, and has an inode left.
///
/// A network's file system whose server is gone may never answer. So the question is asked on a thread of its own, which
/// neither the runtime nor its end waits for, and not again before it is answered: such a disk costs one thread, and is
/// reported as `timeout`.
///
/// ```
/// # use macadam_health::checks::{self, Free};
/// let spool = checks::disk("spool", "/var/spool/orders", Free::Percent(5));
/// ```
pub fn disk(name: impl Into<String>, path: impl Into<PathBuf>, least: Free) -> Check {
    let path = path.into();
    let question = Arc::new(Question::default());
    Check::new(name, move || {
        let (path, question) = (path.clone(), Arc::clone(&question));
        async move {
            let stat = question.ask(move || statvfs(&path)).await??;
            Room::of(&stat).suffices(least).map_err(io::Error::other)
        }
    })
}

#[derive(Clone, Copy, Debug)]
struct Room {
    used: u64,
    free: u64,
    is_read_only: bool,
    /// Some file systems count none, and say that they have none in all.
    lacks_inodes: bool,
}

impl Room {
    fn of(stat: &StatVfs) -> Self {
        Self {
            used: stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize),
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            is_read_only: stat.f_flag.contains(StatVfsMountFlags::RDONLY),
            lacks_inodes: stat.f_files > 0 && stat.f_favail == 0,
        }
    }

    fn suffices(self, least: Free) -> Result<(), String> {
        if self.is_read_only {
            return Err("read-only".to_owned());
        }
        if self.lacks_inodes {
            return Err("no inode is free".to_owned());
        }
        match least {
            Free::Bytes(least) if self.free < least => {
                Err(format!("{} MiB free of {} asked for", self.free / MIB, least / MIB))
            }
            Free::Percent(least) if self.percent() < u128::from(least) => {
                Err(format!("{} % free of {least} asked for", self.percent()))
            }
            Free::Bytes(_) | Free::Percent(_) => Ok(()),
        }
    }

    /// Rounded down.
    fn percent(self) -> u128 {
        let (used, free) = (u128::from(self.used), u128::from(self.free));
        100 * free / (used + free).max(1)
    }
}

const MIB: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room { used: 95 * MIB, free: 5 * MIB, is_read_only: false, lacks_inodes: false };

    #[test]
    fn as_much_as_was_asked_for_suffices_and_a_byte_less_does_not() {
        assert_eq!(ROOM.suffices(Free::Bytes(5 * MIB)), Ok(()));
        assert_eq!(ROOM.suffices(Free::Percent(5)), Ok(()));
        let less = Room { free: ROOM.free - 1, ..ROOM };
        assert_eq!(less.suffices(Free::Bytes(5 * MIB)), Err("4 MiB free of 5 asked for".to_owned()));
        assert_eq!(less.suffices(Free::Percent(5)), Err("4 % free of 5 asked for".to_owned()));
    }

    #[test]
    fn room_that_cannot_be_written_does_not_suffice() {
        let read_only = Room { is_read_only: true, ..ROOM };
        assert_eq!(read_only.suffices(Free::Bytes(0)), Err("read-only".to_owned()));
        let lacking = Room { lacks_inodes: true, ..ROOM };
        assert_eq!(lacking.suffices(Free::Percent(0)), Err("no inode is free".to_owned()));
    }

    #[test]
    fn a_file_system_without_blocks_has_none_free() {
        let none = Room { used: 0, free: 0, ..ROOM };
        assert_eq!(none.suffices(Free::Percent(1)), Err("0 % free of 1 asked for".to_owned()));
        assert_eq!(none.suffices(Free::Percent(0)), Ok(()));
    }
}
