//! What came of a run.

/// What happened, in bins of 100 ms.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The bins, in the order of time.
    pub bins: Vec<Bin>,
    /// Of each request that was admitted and not cancelled: the bin it was sent in, and the time from when it was meant
    /// to be sent to its response or to its client's giving up, in microseconds.
    pub latencies: Vec<(u32, u32)>,
}

/// What happened in 100 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bin {
    /// Sent.
    pub offered: u32,
    /// Of those, how many had been sent before.
    pub again: u32,
    /// Responses of use that came in time.
    pub good: u32,
    /// Given up by their client, or refused further down.
    pub bad: u32,
    /// Refused by the gate, at the door or after a wait.
    pub shed: u32,
    /// The limit at its end.
    pub limit: u32,
}

impl Record {
    /// How long a bin is, in seconds.
    pub const BIN: f64 = 0.1;

    /// The sums over the bins that begin from `from` to before `to`, in seconds; the limit is the mean.
    #[must_use]
    pub fn sum(&self, from: f64, to: f64) -> Sum {
        let bins = &self.bins[index(from).min(self.bins.len())..index(to).min(self.bins.len())];
        let add = |field: fn(&Bin) -> u32| bins.iter().map(|bin| f64::from(field(bin))).sum::<f64>();
        let seconds = bins.len() as f64 * Self::BIN;
        Sum {
            seconds,
            offered: add(|bin| bin.offered),
            again: add(|bin| bin.again),
            good: add(|bin| bin.good),
            bad: add(|bin| bin.bad),
            shed: add(|bin| bin.shed),
            limit: add(|bin| bin.limit) / bins.len() as f64,
        }
    }

    /// A quantile of the time that those admitted took who were sent from `from` to before `to`; in seconds.
    #[must_use]
    pub fn latency(&self, quantile: f64, from: f64, to: f64) -> f64 {
        let bins = index(from) as u32..index(to) as u32;
        let mut latencies: Vec<u32> = self
            .latencies
            .iter()
            .filter(|(bin, _)| bins.contains(bin))
            .map(|&(_, latency)| latency)
            .collect();
        if latencies.is_empty() {
            return f64::NAN;
        }
        let rank = ((latencies.len() as f64 * quantile) as usize).min(latencies.len() - 1);
        let (_, latency, _) = latencies.select_nth_unstable(rank);
        f64::from(*latency) / 1e6
    }

    /// A number that is the same if and, hardly ever otherwise, only if the limit and the outcomes were (FNV-1a).
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let figures = self.bins.iter().flat_map(|bin| [bin.offered, bin.good, bin.bad, bin.shed, bin.limit]);
        figures
            .flat_map(u32::to_le_bytes)
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    pub(crate) fn bin(&mut self, index: usize) -> &mut Bin {
        if self.bins.len() <= index {
            self.bins.resize(index + 1, Bin::default());
        }
        &mut self.bins[index]
    }
}

/// What happened in some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sum {
    /// How long it was.
    pub seconds: f64,
    /// Sent.
    pub offered: f64,
    /// Of those, how many had been sent before.
    pub again: f64,
    /// Responses of use that came in time.
    pub good: f64,
    /// Given up by their client, or refused further down.
    pub bad: f64,
    /// Refused by the gate.
    pub shed: f64,
    /// The mean limit.
    pub limit: f64,
}

impl Sum {
    /// Responses of use, in one second.
    #[must_use]
    pub fn goodput(&self) -> f64 {
        self.good / self.seconds
    }
}

fn index(seconds: f64) -> usize {
    (seconds / Record::BIN).round() as usize
}
