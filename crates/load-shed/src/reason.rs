//! Why a request is refused.

/// Why a request was, or in a dry run would have been, refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// No slot, and no place in the queue.
    QueueFull,
    /// It was in the queue for as long as anybody may be.
    QueueWait,
    /// No slot before its deadline.
    Deadline,
    /// What matters more took its place.
    Criticality,
    /// Others have less of the gate than its tenant has.
    Tenant,
    /// The executor is late, and so would its handler be.
    Lag,
    /// A signal from outside: memory, or one of the user's own.
    Pressure,
}

impl Reason {
    pub(crate) const ALL: [Self; 7] = [
        Self::QueueFull,
        Self::QueueWait,
        Self::Deadline,
        Self::Criticality,
        Self::Tenant,
        Self::Lag,
        Self::Pressure,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue-full",
            Self::QueueWait => "queue-wait",
            Self::Deadline => "deadline",
            Self::Criticality => "criticality",
            Self::Tenant => "tenant",
            Self::Lag => "lag",
            Self::Pressure => "pressure",
        }
    }
}
