//! What a phase of the process means for its connections.

use macadam_core::{Phase, PhaseWatch};

/// What every connection is told. It only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    Serve,
    /// Let clients go with their next answer.
    LameDuck,
    /// Finish, and let idle ones go.
    Drain,
    /// End at once.
    Cut,
}

impl Order {
    pub(crate) const ALL: [Self; 4] = [Self::Serve, Self::LameDuck, Self::Drain, Self::Cut];

    /// The one that comes after it.
    pub(crate) fn next(self) -> Self {
        Self::ALL.into_iter().find(|order| *order > self).unwrap_or(Self::Cut)
    }
}

/// The phase, as orders.
pub(crate) struct Orders {
    pub(crate) phase: Option<PhaseWatch>,
}

impl Orders {
    /// Whether there is anybody to give them.
    pub(crate) fn will_come(&self) -> bool {
        self.phase.is_some()
    }

    /// Waits for `order`, or a later one, and returns that.
    pub(crate) async fn reached(&self, order: Order) -> Order {
        let Some(phase) = &self.phase else { return std::future::pending().await };
        let awaited = match order {
            Order::Serve => Phase::Starting,
            Order::LameDuck => Phase::LameDuck,
            Order::Drain => Phase::Draining,
            Order::Cut => Phase::Closing,
        };
        match phase.reached(awaited).await {
            Phase::Starting | Phase::Serving => Order::Serve,
            Phase::LameDuck => Order::LameDuck,
            Phase::Draining => Order::Drain,
            _ => Order::Cut,
        }
    }
}
