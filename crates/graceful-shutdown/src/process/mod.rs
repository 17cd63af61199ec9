//! The process: the thread that drives its shutdown, what tells it to leave, and its end.

mod grace;
mod reaper;
mod reload;
mod signals;
#[cfg(all(unix, feature = "systemd"))]
mod systemd;
mod watcher;

pub use self::grace::{GracePeriod, GracePeriodError};
pub(crate) use self::{
    reaper::Flush,
    reload::Reload,
    watcher::{Powers, start},
};
