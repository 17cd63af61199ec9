//! The ids of a trace and of a request's place in it.

use std::{
    cell::Cell,
    fmt,
    hash::{BuildHasher, RandomState},
    num::{NonZeroU64, NonZeroU128},
};

/// The id of a trace, as W3C Trace Context has it: 128 bits that are not all 0. As text, 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

/// The id of a span: 64 bits that are not all 0. As text, 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

/// Where a request stands: its trace, its own span in it, and whether that span is recorded for OpenTelemetry.
///
/// Every request has one, whether or not anything is exported: its log lines bear the two ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// The caller's, where that is trusted; else a new one.
    pub trace_id: TraceId,
    /// The request's own, always new.
    pub span_id: SpanId,
    /// Whether the span is recorded and exported. Without OpenTelemetry, none is.
    pub sampled: bool,
}

impl TraceId {
    /// The id of these bits, unless all of them are 0.
    pub fn new(bits: u128) -> Option<Self> {
        NonZeroU128::new(bits).map(Self)
    }

    /// A random one.
    #[cfg(any(test, feature = "otel-0_33"))]
    #[inline]
    pub(crate) fn random() -> Self {
        Self::of(random())
    }

    #[inline]
    fn of([upper, lower]: [u64; 2]) -> Self {
        let bits = u128::from(upper) << 64 | u128::from(lower);
        Self(NonZeroU128::new(bits).unwrap_or(NonZeroU128::MIN))
    }

    /// Its bits, the first digit's uppermost.
    pub fn get(self) -> u128 {
        self.0.get()
    }
}

impl SpanId {
    /// The id of these bits, unless all of them are 0.
    pub fn new(bits: u64) -> Option<Self> {
        NonZeroU64::new(bits).map(Self)
    }

    /// A random one.
    #[inline]
    pub(crate) fn random() -> Self {
        let [bits] = random();
        Self::of(bits)
    }

    #[inline]
    fn of(bits: u64) -> Self {
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
    }

    /// Its bits, the first digit's uppermost.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The ids of a new trace and of the span that it begins with.
#[inline]
pub(crate) fn begin() -> (TraceId, SpanId) {
    let [upper, lower, span] = random();
    (TraceId::of([upper, lower]), SpanId::of(span))
}

/// The thread's next 64 bits, so many times: no lock, no allocation, no system call but for the seed.
///
/// xoroshiro128++ of Blackman and Vigna. A generator with 64 bits of state, as the smallest have, would make of the 128 bits of
/// an id a function of 64: two instances of a large service would have the same trace now and then.
#[inline]
fn random<const N: usize>() -> [u64; N] {
    thread_local!(static STATE: Cell<[u64; 2]> = const { Cell::new([0; 2]) });
    STATE.with(|state| {
        let [mut s, mut t] = state.get();
        if s | t == 0 {
            [s, t] = seed();
        }
        let results = [(); N].map(|()| {
            let result = s.wrapping_add(t).rotate_left(17).wrapping_add(s);
            t ^= s;
            [s, t] = [s.rotate_left(49) ^ t ^ t << 21, t.rotate_left(28)];
            result
        });
        state.set([s, t]);
        results
    })
}

/// The keys of the standard library's hash maps are the system's randomness, and no other thread's.
#[cold]
fn seed() -> [u64; 2] {
    let keys = RandomState::new();
    [0, 1].map(|part: u64| keys.hash_one(part).max(1))
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, thread};

    use super::*;

    #[test]
    fn ids_are_lower_case_hexadecimal_with_all_their_zeros() {
        let trace = TraceId::new(0xab).expect("it is not 0");
        let span = SpanId::new(0xCD).expect("it is not 0");
        assert_eq!(trace.to_string(), "000000000000000000000000000000ab");
        assert_eq!(span.to_string(), "00000000000000cd");
        assert_eq!(TraceId::new(u128::MAX).expect("it is not 0").to_string(), "f".repeat(32));
        assert_eq!((TraceId::new(0), SpanId::new(0)), (None, None));
    }

    #[test]
    fn threads_do_not_repeat_each_other_nor_themselves() {
        let ids = || (0..10_000).map(|_| (TraceId::random(), SpanId::random())).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(ids)).collect();
        let ids: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().expect("it ends")).collect();
        assert_eq!(ids.iter().map(|(trace, _)| trace).collect::<HashSet<_>>().len(), 40_000);
        assert_eq!(ids.iter().map(|(_, span)| span).collect::<HashSet<_>>().len(), 40_000);
    }

    #[test]
    fn every_bit_of_an_id_is_as_often_set_as_not() {
        let mut set = [0_u32; 192];
        for _ in 0..10_000 {
            let (trace_id, span_id) = (TraceId::random(), SpanId::random());
            for (bit, set) in set.iter_mut().enumerate() {
                *set += match bit {
                    0..128 => u32::from(trace_id.get() >> bit & 1 == 1),
                    _ => u32::from(span_id.get() >> (bit - 128) & 1 == 1),
                };
            }
        }
        // Ten standard deviations.
        assert!(set.iter().all(|set| set.abs_diff(5_000) < 500), "{set:?}");
    }
}
