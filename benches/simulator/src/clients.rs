//! Who sends requests.

/// What clients do besides sending.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clients {
    /// They give up that long after they meant to send, in seconds; infinite if never.
    pub patience: f64,
    /// How many times a request is tried again after a refusal or a failure.
    pub retries: u32,
    /// How long they wait before that, in seconds, on average: half to one and a half of it.
    pub backoff: f64,
    /// The share of requests whose client goes away, whatever becomes of them.
    pub cancels: f64,
    /// Until when they have, in mean works from the sending: at a random time up to then.
    pub haste: f64,
}

impl Clients {
    /// They give up after so many seconds, and do nothing else.
    #[must_use]
    pub fn patient_for(patience: f64) -> Self {
        Self { patience, retries: 0, backoff: 0.0, cancels: 0.0, haste: 2.0 }
    }
}
