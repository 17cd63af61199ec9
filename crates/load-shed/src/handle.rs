//! What is seen of the gate from outside.

use std::{fmt, sync::Arc};

use macadam_core::{Gauges, Reading};

use crate::{
    error::ConfigError,
    gate::Gate,
    policy::Policy,
    refusal::{Reason, Tally},
};

/// Watches the gate of a layer, and moves its limit. Cheap to clone.
///
/// As [`Gauges`] it reads:
///
/// | name | labels | |
/// |---|---|---|
/// | `macadam_load_shed_in_flight` | | requests that hold a slot |
/// | `macadam_load_shed_limit` | | how many may |
/// | `macadam_load_shed_queued` | | requests that wait for one |
/// | `macadam_load_shed_refused_total` | `reason`: `queue-full`, `queue-wait`, `deadline` | requests refused; in a dry run, those that would have been |
///
/// Admissions are not counted: that would be one more write, on a line that all workers share, for a number that
/// whoever counts requests has already, namely all of them but those shed.
#[derive(Clone)]
pub struct LoadShedHandle {
    gate: Arc<Gate>,
    tally: Arc<Tally>,
}

impl LoadShedHandle {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self { gate: Arc::clone(&policy.gate), tally: Arc::clone(&policy.tally) }
    }

    /// How many requests may be in flight.
    pub fn limit(&self) -> u32 {
        self.gate.look().limit()
    }

    /// Moves the limit. It binds at once.
    ///
    /// A higher one admits from the queue before this returns. Under a lower one nobody is admitted until enough of
    /// those in flight are over; none of them is cut short.
    ///
    /// # Errors
    ///
    /// If `limit` is 0 or more than 1,000,000; the limit then stays as it is.
    pub fn set_limit(&self, limit: u32) -> Result<(), ConfigError> {
        self.gate.set_limit(ConfigError::check_limit(limit)?);
        Ok(())
    }

    /// How many requests hold a slot.
    pub fn in_flight(&self) -> u32 {
        self.gate.look().in_flight()
    }

    /// How many requests wait for a slot.
    pub fn queued(&self) -> u32 {
        self.gate.look().waiting().into()
    }
}

impl Gauges for LoadShedHandle {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        let now = self.gate.look();
        for (name, value) in [
            ("macadam_load_shed_in_flight", now.in_flight()),
            ("macadam_load_shed_limit", now.limit()),
            ("macadam_load_shed_queued", now.waiting().into()),
        ] {
            out(Reading { name, labels: &[], value: value.into() });
        }
        for reason in Reason::ALL {
            let labels = &[("reason", reason.as_str())];
            let value = self.tally.get(reason) as f64;
            out(Reading { name: "macadam_load_shed_refused_total", labels, value });
        }
    }
}

impl fmt::Debug for LoadShedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.gate.look();
        f.debug_struct("LoadShedHandle")
            .field("in_flight", &now.in_flight())
            .field("limit", &now.limit())
            .field("queued", &now.waiting())
            .finish_non_exhaustive()
    }
}
