//! When clients have had their time to leave. It is told what was seen and answers: no thread, no clock.

use std::{fmt, time::Duration};

/// How long the process serves on after the signal.
///
/// It ends early for two reasons together, since neither is enough alone. Probes that were told say that load balancers
/// know, not that they have acted: a request may be on its way. Quiet says that no request is, and of a service that
/// nobody calls just now it says nothing: the next one would find the door closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LameDuck {
    /// It never ends before, unless the server does.
    pub(crate) least: Duration,
    /// It never ends after.
    pub(crate) most: Duration,
}

/// What was seen since the shutdown began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// So many probes were told that the process is not ready.
    pub(crate) probes: u64,
    /// When a new request was seen last, counted from the begin; zero before the first.
    pub(crate) request: Duration,
    /// The server's future has ended: nobody accepts any more.
    pub(crate) server_ended: bool,
}

/// Why a lame duck ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LameDuckEnd {
    /// Probes had been told that the process is not ready, and new requests had ceased.
    Noticed,
    /// It had lasted as long as it may.
    Maximum,
    /// The server ended by itself.
    ServerEnded,
}

impl LameDuck {
    /// Why it ends, if it does, when it began `elapsed` ago.
    pub(crate) fn end(&self, seen: Seen, elapsed: Duration) -> Option<LameDuckEnd> {
        let noticed = seen.probes >= PROBES && elapsed >= seen.request.saturating_add(QUIET);
        if seen.server_ended {
            Some(LameDuckEnd::ServerEnded)
        } else if elapsed >= self.most {
            Some(LameDuckEnd::Maximum)
        } else if noticed && elapsed >= self.least {
            Some(LameDuckEnd::Noticed)
        } else {
            None
        }
    }

    /// When to look again at what was seen. Nobody tells of a request but a counter, so that it costs no request more.
    pub(crate) fn next_look(&self, elapsed: Duration) -> Duration {
        if self.least >= self.most { self.most } else { self.most.min(elapsed.saturating_add(LOOK)) }
    }
}

impl fmt::Display for LameDuckEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Noticed => "probes have seen it and no more requests come",
            Self::Maximum => "its time is over",
            Self::ServerEnded => "the server ended",
        })
    }
}

/// As many failed probes as Kubernetes and HAProxy wait for before they act; a balancer that acts on fewer has acted.
pub(crate) const PROBES: u64 = 3;
/// Without a new request. At a request a second somebody still sends traffic, and a refused one would be seen.
pub(crate) const QUIET: Duration = Duration::from_secs(1);
/// Between two looks at what was seen: a hundred wakes a second, of a thread that lives for seconds.
const LOOK: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(1);
    const LAME_DUCK: LameDuck = LameDuck { least: Duration::from_secs(2), most: Duration::from_secs(5) };

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn seen(probes: u64, request: u64) -> Seen {
        Seen { probes, request: ms(request), server_ended: false }
    }

    #[test]
    fn noticed_it_ends_at_its_least_and_not_a_tick_before() {
        assert_eq!(LAME_DUCK.end(seen(3, 0), ms(2_000) - TICK), None);
        assert_eq!(LAME_DUCK.end(seen(3, 0), ms(2_000)), Some(LameDuckEnd::Noticed));
    }

    #[test]
    fn it_ends_when_requests_have_ceased_for_a_second_and_not_a_tick_before() {
        assert_eq!(LAME_DUCK.end(seen(3, 1_500), ms(2_500) - TICK), None);
        assert_eq!(LAME_DUCK.end(seen(3, 1_500), ms(2_500)), Some(LameDuckEnd::Noticed));
    }

    #[test]
    fn until_three_probes_have_seen_it_quiet_is_not_enough() {
        for probes in 0..3 {
            assert_eq!(LAME_DUCK.end(seen(probes, 0), ms(5_000) - TICK), None, "{probes} probes");
            assert_eq!(LAME_DUCK.end(seen(probes, 0), ms(5_000)), Some(LameDuckEnd::Maximum));
        }
        assert_eq!(LAME_DUCK.end(seen(3, 0), ms(5_000) - TICK), Some(LameDuckEnd::Noticed));
    }

    #[test]
    fn while_requests_come_probes_are_not_enough() {
        for elapsed in (0..5_000).map(ms) {
            let busy = Seen { probes: 1_000, request: elapsed, server_ended: false };
            assert_eq!(LAME_DUCK.end(busy, elapsed), None, "{elapsed:?}");
        }
        assert_eq!(LAME_DUCK.end(seen(1_000, 4_999), ms(5_000)), Some(LameDuckEnd::Maximum));
    }

    #[test]
    fn a_server_that_ended_ends_it_at_once() {
        let ended = Seen { server_ended: true, ..seen(0, 0) };
        assert_eq!(LAME_DUCK.end(ended, TICK), Some(LameDuckEnd::ServerEnded));
    }

    #[test]
    fn one_that_may_not_be_shorter_is_a_plain_wait() {
        let fixed = LameDuck { least: LAME_DUCK.most, ..LAME_DUCK };
        assert_eq!(fixed.end(seen(1_000, 0), ms(5_000) - TICK), None);
        assert_eq!(fixed.next_look(Duration::ZERO), ms(5_000));
        assert_eq!(fixed.end(seen(1_000, 0), ms(5_000)), Some(LameDuckEnd::Maximum));
    }

    #[test]
    fn the_last_look_is_at_its_end() {
        assert_eq!(LAME_DUCK.next_look(Duration::ZERO), ms(10));
        assert_eq!(LAME_DUCK.next_look(ms(4_995)), ms(5_000));
    }
}
