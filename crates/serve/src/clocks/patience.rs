//! How long a peer is waited for while bytes are to move, and how slowly it may move them.
//!
//! Bytes move in lumps: a client that reads 300 of them a second makes room for a segment, or for a sixteenth of its
//! buffer, and nothing is seen of it in between. So a silence is not judged before a lump is due, and what moves then pays
//! for the time since the last, as [`Pace`] has it.
//!
//! Time is counted in looks. A look that comes late, because it was this process that stood still, counts for nothing.

use std::task::{Context, Poll, ready};

use macadam_core::body::{MinRate, Pace};
use tokio::time::{Duration, Instant};

use super::{Clocks, NO_LIMIT, alarm::Alarm};

/// The patience with one peer, in one direction.
pub(crate) struct Patience {
    pace: Pace,
    /// How long nothing may move.
    longest: Duration,
    wait: Option<Wait>,
    /// Made at the first wait: a peer that keeps up pays nothing.
    alarm: Option<Alarm>,
}

struct Wait {
    /// The last look.
    since: Instant,
    /// How long nothing had moved by then.
    silent: Duration,
    /// How long nothing may.
    longest: Duration,
}

/// What a look finds where nothing has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    InTime,
    TooLong,
}

impl Patience {
    /// With a client that is to take what there is for it.
    pub(crate) fn with_a_reader(clocks: &Clocks) -> Self {
        let rate = clocks.min_rate.in_lumps_of(LUMP);
        Self::new(rate, rate.longest_silence().unwrap_or(NO_LIMIT))
    }

    /// With a client that is to send a request's body, which may be silent for as long as any.
    pub(crate) fn with_a_sender(clocks: &Clocks) -> Self {
        Self::new(clocks.min_rate, clocks.request_body_idle)
    }

    fn new(rate: MinRate, longest: Duration) -> Self {
        Self { pace: Pace::new(rate), longest, wait: None, alarm: None }
    }

    /// Nothing moves. Ready when it is time to see whether that is still so: every few seconds, and the last time with
    /// [`Look::TooLong`].
    pub(crate) fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<Look> {
        let wait = self.wait.get_or_insert_with(|| Wait::new(self.longest));
        let due = wait.due();
        ready!(self.alarm.get_or_insert_with(|| Alarm::at(due)).poll(cx, due));
        wait.look();
        Poll::Ready(if wait.silent < wait.longest { Look::InTime } else { Look::TooLong })
    }

    /// From `since` on nothing may move for no longer than this. A wait that had begun by then has the whole of it.
    pub(crate) fn hurry(&mut self, since: Instant, longest: Duration) {
        let wait = self.wait.get_or_insert_with(|| Wait::new(self.longest));
        let begun = wait.since - wait.silent;
        wait.longest = wait.longest.min(since.saturating_duration_since(begun) + longest);
    }

    /// How long nothing has moved, by the last look.
    pub(crate) fn silence(&self) -> Duration {
        self.wait.as_ref().map_or(Duration::ZERO, |wait| wait.silent)
    }

    /// So many bytes have moved, and the wait is over; says whether they were enough for it.
    pub(crate) fn moved(&mut self, bytes: u64) -> bool {
        let waited = self.wait.take().map_or(Duration::ZERO, |mut wait| {
            wait.look();
            wait.silent
        });
        self.pace.moved_after(waited, bytes)
    }

    /// It is not, or no longer, the peer that is waited for.
    pub(crate) fn rest(&mut self) {
        self.wait = None;
    }
}

impl Wait {
    fn new(longest: Duration) -> Self {
        Self { since: Instant::now(), silent: Duration::ZERO, longest }
    }

    /// When to look next.
    fn due(&self) -> Instant {
        self.since + self.longest.saturating_sub(self.silent).min(BETWEEN_LOOKS)
    }

    fn look(&mut self) {
        let now = Instant::now();
        if now <= self.due() + LATE {
            self.silent += now.saturating_duration_since(self.since);
        }
        self.since = now;
    }
}

/// Bytes that the system holds and has not sent, from which on it takes no more. Without a bound it takes megabytes of an
/// answer that nobody reads.
pub(crate) const UNSENT: u32 = 16 * 1024;
/// It takes more when half of these are gone, and what was a little too much before; it says nothing in between.
const LUMP: u32 = UNSENT;
/// A peer that moves nothing is looked at this often.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
/// A look that is later than this is our own fault.
const LATE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, sleep, timeout};

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn patience(longest: u64) -> Patience {
        Patience::new(MinRate::new(240, Duration::from_secs(5)), Duration::from_secs(longest))
    }

    /// How long a peer lasts that moves nothing.
    async fn lasts(patience: &mut Patience) -> Duration {
        let begun = Instant::now();
        while poll_fn(|cx| patience.poll_look(cx)).await == Look::InTime {}
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn who_moves_nothing_has_the_silence_and_not_a_tick_more() {
        for longest in [1, 5, 7, 30] {
            let lasted = lasts(&mut patience(longest)).await;
            let longest = Duration::from_secs(longest);
            assert!(longest <= lasted && lasted <= longest + MILLI * 8, "{lasted:?} for {longest:?}");
        }
    }

    /// How many seconds a peer lasts that moves so many bytes in each, a hundred at most.
    async fn trickles(bytes: u64) -> usize {
        let mut patience = patience(30);
        for second in 0..100 {
            let silence = poll_fn(|cx| patience.poll_look(cx));
            assert!(timeout(Duration::from_secs(1), silence).await.is_err());
            if !patience.moved(bytes) {
                return second;
            }
        }
        100
    }

    #[tokio::test(start_paused = true)]
    async fn who_trickles_has_the_grace_and_who_keeps_to_the_rate_has_no_limit() {
        assert_eq!(trickles(1).await, 5);
        assert_eq!(trickles(120).await, 9);
        assert_eq!(trickles(245).await, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_hurried_has_so_much_from_then_on_or_from_its_own_beginning() {
        let second = Duration::from_secs(1);
        for (silent, lasts_in_all) in [(0, 5), (7, 12), (28, 30)] {
            let mut patience = patience(30);
            let begun = Instant::now();
            let silence = async { while poll_fn(|cx| patience.poll_look(cx)).await == Look::InTime {} };
            assert!(timeout(second * silent, silence).await.is_err());
            let told = Instant::now();
            let hurried = async |patience: &mut Patience| loop {
                patience.hurry(told, second * 5);
                if poll_fn(|cx| patience.poll_look(cx)).await == Look::TooLong {
                    return;
                }
            };
            hurried(&mut patience).await;
            let lasted = begun.elapsed();
            assert!(
                (second * lasts_in_all..=second * lasts_in_all + MILLI * 8).contains(&lasted),
                "{lasted:?}"
            );

            assert!(patience.moved(10_000));
            sleep(second * 20).await;
            let begun = Instant::now();
            hurried(&mut patience).await;
            let lasted = begun.elapsed();
            assert!((second * 5..=second * 5 + MILLI * 8).contains(&lasted), "{lasted:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_not_waited_for_is_not_slow() {
        let mut patience = patience(30);
        for _ in 0..10 {
            assert!(patience.moved(1));
            sleep(Duration::from_secs(20)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_runtime_that_stood_still_is_not_the_peers_fault() {
        let mut patience = patience(30);
        for _ in 0..10 {
            let looked = poll_fn(|cx| Poll::Ready(patience.poll_look(cx))).await;
            assert!(looked.is_pending());
            // Nobody looks in all this time.
            advance(Duration::from_secs(60)).await;
            assert_eq!(poll_fn(|cx| patience.poll_look(cx)).await, Look::InTime);
        }
        assert!(patience.moved(1));
        assert!(lasts(&mut patience).await >= Duration::from_secs(30), "and then it has its time");
    }
}
