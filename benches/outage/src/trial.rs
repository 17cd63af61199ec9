//! One outage, from its begin until the service is ready again, beside what the thresholds of the check say.

use std::{fmt, ops::RangeInclusive, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    Result,
    gate::Gate,
    http,
    instance::{Counts, Instance},
    outage::Outage,
    server::{Kind, Server},
    service::{FAILURES, HELD, INTERVAL, JITTER, PASSWORD, POOL, SUCCESSES, TIMEOUT},
};

pub(crate) const HEAD: &str = "\
| server | reason | unready after | must | failures until then | ready again after | passes until then | used again after | |
|---|---|---|---|---|---|---|---|---|";

pub(crate) struct Trial {
    kind: Kind,
    outage: Outage,
    /// Those of the runs that failed, each once.
    reasons: Vec<String>,
    unready_after: Duration,
    failures: u64,
    /// From when the server answered again.
    ready_after: Duration,
    passes: u64,
    /// Requests that need it, from the same instant.
    served_after: Duration,
}

impl Trial {
    pub(crate) async fn run(
        outage: Outage,
        server: &mut Server,
        gate: &mut Gate,
        instance: &Instance,
    ) -> Result<Self> {
        let kind = server.kind;
        let before = instance.counts(kind).await?;
        let begun = Instant::now();
        outage.begin(server, gate).await?;
        let mut reasons = Vec::new();
        let unready_after = flip(instance, false, begun).await?;
        let down = instance.counts(kind).await?;

        let until = Instant::now() + STAYS_DOWN;
        while Instant::now() < until {
            let reason = instance.reason(kind).await?.ok_or("it was ready in the middle of an outage")?;
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
            sleep(LOOK).await;
        }

        outage.end(server, gate).await?;
        let ended = Instant::now();
        let ready_after = flip(instance, true, ended).await?;
        let up = instance.counts(kind).await?;
        while http::get(instance.listen, kind.target()).await?.0 != 200 {
            if ended.elapsed() > PATIENCE {
                return Err("requests that need the server are not served again".into());
            }
            sleep(LOOK).await;
        }
        Ok(Self {
            kind,
            outage,
            reasons,
            unready_after,
            failures: down.failures - before.failures,
            ready_after,
            passes: up.passes - down.passes,
            served_after: ended.elapsed(),
        })
    }

    pub(crate) fn is_good(&self) -> bool {
        let is_told = self
            .reasons
            .iter()
            .all(|reason| !reason.contains(PASSWORD) && (reason == "timeout") == self.outage.is_silent());
        is_told
            && must(self.outage).contains(&self.unready_after)
            && self.failures == u64::from(FAILURES)
            && self.ready_after <= READY_WITHIN
            && self.passes == u64::from(SUCCESSES)
            && self.served_after <= SERVED_WITHIN
    }
}

/// How long ready may be what is not, or the other way round. `begun` is when that began.
async fn flip(instance: &Instance, to: bool, begun: Instant) -> Result<Duration> {
    while instance.is_ready().await? != to {
        if begun.elapsed() > PATIENCE {
            return Err(format!("it has not become {}ready", if to { "" } else { "un" }).into());
        }
        sleep(LOOK).await;
    }
    Ok(begun.elapsed())
}

/// From the begin of an outage until the probe fails: as many runs as the threshold says, each after a pause, the first of
/// which has been going on for a while.
fn must(outage: Outage) -> RangeInclusive<Duration> {
    let run = if outage.is_silent() { TIMEOUT } else { Duration::ZERO };
    let shortest = run * FAILURES + INTERVAL.mul_f64(1.0 - JITTER) * (FAILURES - 1);
    shortest.saturating_sub(ALREADY_RUNNING)..=(run + INTERVAL) * FAILURES + BUSY
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, outage, reasons, unready_after, failures, ready_after, passes, served_after } = self;
        let (least, most) = must(*outage).into_inner();
        write!(
            f,
            "| {kind} {outage} | {} | {} ms | {} to {} ms | {failures} | {} ms | {passes} | {} ms | {} |",
            reasons.iter().map(|reason| format!("`{reason}`")).collect::<Vec<_>>().join(", "),
            unready_after.as_millis(),
            least.as_millis(),
            most.as_millis(),
            ready_after.as_millis(),
            served_after.as_millis(),
            verdict(self.is_good()),
        )
    }
}

/// All connections of the pool are in use, and a request waits for one.
pub(crate) struct Exhausted {
    counts: [Counts; 2],
    was_ready: bool,
    waited: Duration,
}

impl Exhausted {
    pub(crate) async fn run(instance: &Instance) -> Result<Self> {
        let before = instance.counts(Kind::Postgres).await?;
        let listen = instance.listen;
        let mut holders: JoinSet<_> = (0..POOL).map(|_| http::get(listen, "/hold")).collect();
        // The holders are there first; what comes too early waits for less, and says so.
        sleep(HELD / 10).await;
        let begun = Instant::now();
        let waits = tokio::spawn(http::get(listen, Kind::Postgres.target()));
        let mut was_ready = true;
        while !waits.is_finished() {
            was_ready &= instance.is_ready().await?;
            sleep(LOOK).await;
        }
        let waited = begun.elapsed();
        if waits.await??.0 != 200 {
            return Err("the request that waited was not served".into());
        }
        while let Some(held) = holders.join_next().await {
            let (status, text) = held??;
            if status != 200 {
                return Err(format!("a connection was not held: {status} {text}").into());
            }
        }
        Ok(Self { counts: [before, instance.counts(Kind::Postgres).await?], was_ready, waited })
    }

    fn runs(&self) -> [u64; 2] {
        let [before, after] = self.counts;
        [after.passes - before.passes, after.failures - before.failures]
    }

    pub(crate) fn is_good(&self) -> bool {
        let waited_for_one = HELD.mul_f64(0.5)..=HELD + BUSY;
        self.was_ready && self.runs()[0] >= 3 && self.runs()[1] == 0 && waited_for_one.contains(&self.waited)
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [passes, failures] = self.runs();
        write!(
            f,
            "While all {POOL} connections of the pool were in use for {} ms, the check ran {passes} times and failed {failures} \
             times, and a request got its connection after {} ms: {}.",
            HELD.as_millis(),
            self.waited.as_millis(),
            verdict(self.is_good()),
        )
    }
}

fn verdict(is_good: bool) -> &'static str {
    if is_good { "as demanded" } else { "**not as demanded**" }
}

const LOOK: Duration = Duration::from_millis(5);
/// For at least two more runs.
const STAYS_DOWN: Duration = Duration::from_millis(1000);
/// A run that began before the outage and notices it counts too.
const ALREADY_RUNNING: Duration = Duration::from_millis(50);
/// What a busy machine adds.
const BUSY: Duration = Duration::from_millis(300);
/// A run that is still waiting, as many pauses as the threshold has runs, and a busy machine: 1 s.
const READY_WITHIN: Duration = Duration::from_millis(300 + 2 * 200 + 300);
/// Clients have their own ways to connect again.
const SERVED_WITHIN: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    /// As it should be.
    fn trial(outage: Outage, reason: &str) -> Trial {
        Trial {
            kind: Kind::Redis,
            outage,
            reasons: vec![reason.to_owned()],
            unready_after: *must(outage).end(),
            failures: 3,
            ready_after: READY_WITHIN,
            passes: 2,
            served_after: SERVED_WITHIN,
        }
    }

    #[test]
    fn what_is_not_as_demanded_is_seen() {
        let refused = || trial(Outage::Refused, "Connection refused (os error 111)");
        let tick = Duration::from_millis(1);
        assert!(refused().is_good());
        assert!(!Trial { failures: 2, ..refused() }.is_good());
        assert!(!Trial { failures: 4, ..refused() }.is_good());
        assert!(!Trial { passes: 1, ..refused() }.is_good());
        assert!(!Trial { unready_after: *must(Outage::Refused).start() - tick, ..refused() }.is_good());
        assert!(!Trial { unready_after: *must(Outage::Refused).end() + tick, ..refused() }.is_good());
        assert!(!Trial { ready_after: READY_WITHIN + tick, ..refused() }.is_good());
        assert!(!Trial { served_after: SERVED_WITHIN + tick, ..refused() }.is_good());
    }

    #[test]
    fn silence_is_a_timeout_and_nothing_else_is_and_no_reason_has_the_password() {
        assert!(trial(Outage::CutOff, "timeout").is_good());
        assert!(!trial(Outage::CutOff, "Connection refused (os error 111)").is_good());
        assert!(!trial(Outage::Refused, "timeout").is_good());
        assert!(!trial(Outage::Refused, "cannot reach redis://:hunter2@localhost").is_good());
    }
}
