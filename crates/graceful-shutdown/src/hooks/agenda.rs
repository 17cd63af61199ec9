//! The hooks of a shutdown, as they run.

use std::time::Duration;

use futures_util::future::join_all;
use macadam_core::Phase;
use tokio::sync::SetOnce;

use super::{
    hook::{Hook, HookReport},
    order::{Begin, Order},
};
use crate::course::Course;

/// Hooks that have an order, and a limit each.
#[derive(Debug)]
pub(crate) struct Agenda {
    pub(crate) hooks: Vec<Hook>,
    pub(crate) order: Order,
    pub(crate) limits: Vec<Duration>,
}

impl Agenda {
    /// How long those that begin with cleanup take at the most.
    pub(crate) fn of_cleanup(&self) -> Duration {
        self.order.of_cleanup(&self.limits)
    }

    /// Runs each hook when it may begin and those before it have ended, and cleanup's when `quiet` is set too.
    ///
    /// It is polled beside the server and not spawned, so that a hook is cut at its limit although every worker is
    /// blocked.
    pub(crate) async fn run(self, course: &Course, quiet: &SetOnce<()>) -> Vec<HookReport> {
        let Self { hooks, order, limits } = self;
        course.hooks.set(hooks.iter().map(|hook| hook.name.clone()));
        // Until then there is nothing to look at, and the server's every accept would make this look.
        course.phase().reached(Phase::LameDuck).await;
        let ended: Vec<SetOnce<HookReport>> = hooks.iter().map(|_| SetOnce::new()).collect();
        let each = hooks.into_iter().zip(limits).enumerate().map(|(n, (hook, limit))| {
            let (ended, order) = (&ended, &order);
            async move {
                course.phase().reached(hook.begin.phase()).await;
                if hook.begin >= Begin::Cleanup {
                    quiet.wait().await;
                }
                for before in order.before(n) {
                    ended[*before].wait().await;
                }
                let report = hook.run(limit, |task| course.hooks.begin(n, task)).await;
                course.hooks.end(n);
                tell(&report);
                let _ = ended[n].set(report);
            }
        });
        join_all(each).await;
        ended.into_iter().filter_map(SetOnce::into_inner).collect()
    }
}

fn tell(report: &HookReport) {
    let (hook, seconds) = (report.name(), report.took().as_secs_f64());
    if report.is_done() {
        tracing::info!(hook, seconds, "a hook is done");
    } else {
        tracing::error!(hook, seconds, end = %report.end(), "a hook has failed");
    }
}
