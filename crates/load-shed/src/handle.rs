//! What is seen of the gate from outside.

use std::{fmt, sync::Arc, time::Duration};

use macadam_core::{Gauges, Metric, Reading};

use crate::{
    door,
    error::ConfigError,
    gate::{Gate, Use},
    mode::{Mode, Switch},
    permit::Permit,
    policy::Policy,
    pulse::Pulse,
    reason::Reason,
    refusal::Tally,
};

/// Watches the gate of a layer, moves its limit and switches its mode. Cheap to clone.
///
/// As [`Gauges`] it reads:
///
/// | name | labels | |
/// |---|---|---|
/// | `macadam_load_shed_in_flight` | `phase`: `slot`, `stream`, `exempt` | requests that hold a slot, go on without doing work, or passed without either |
/// | `macadam_load_shed_limit` | | how many may hold a slot |
/// | `macadam_load_shed_queued` | | requests that wait for one |
/// | `macadam_load_shed_ended_total` | `use`: `good`, `bad` | requests that were of use, and those refused or timed out further down, or given up |
/// | `macadam_load_shed_refused_total` | `reason` | requests refused; in a dry run, those that would have been |
/// | `macadam_load_shed_lag_seconds` | | how late the executor last was |
/// | `macadam_load_shed_overloaded` | `signal`: `lag`, `queue` | 1 while requests are refused for it |
/// | `macadam_load_shed_threshold` | | the level, 128 to a class, from which on requests are refused at the door; 512 refuses none |
///
/// Where the limit is fixed the last three are not there.
///
/// Admissions are not counted: that would be one more write, on a line that all workers share, for a number that
/// whoever counts requests has already, namely all of them but those shed.
#[derive(Clone)]
pub struct LoadShedHandle {
    gate: Arc<Gate>,
    tally: Arc<Tally>,
    mode: Arc<Switch>,
    pulse: Option<Arc<Pulse>>,
}

impl LoadShedHandle {
    pub(crate) fn new(policy: &Policy) -> Self {
        let Policy { gate, tally, mode, pulse, .. } = policy;
        Self {
            gate: Arc::clone(gate),
            tally: Arc::clone(tally),
            mode: Arc::clone(mode),
            pulse: pulse.clone(),
        }
    }

    /// How many requests may be in flight.
    pub fn limit(&self) -> u32 {
        self.gate.look().limit()
    }

    /// Moves the limit. It binds at once.
    ///
    /// A higher one admits from the queue before this returns. Under a lower one nobody is admitted until enough of
    /// those in flight are over; none of them is cut short. Where a law moves the limit, it stays until the law has
    /// another in mind.
    ///
    /// # Errors
    ///
    /// If `limit` is 0 or more than 1,000,000; the limit then stays as it is.
    pub fn set_limit(&self, limit: u32) -> Result<(), ConfigError> {
        self.gate.set_limit(ConfigError::check_limit(limit)?);
        Ok(())
    }

    /// Whether the gate refuses.
    pub fn mode(&self) -> Mode {
        self.mode.get()
    }

    /// Switches the mode, for requests from now on. Who waits already, waits on.
    pub fn set_mode(&self, mode: Mode) {
        self.mode.set(mode);
    }

    /// How many requests hold a slot.
    pub fn in_flight(&self) -> u32 {
        self.gate.look().in_flight()
    }

    /// How many requests go on without doing work: streams, and those that wait for their clients.
    pub fn streams(&self) -> u32 {
        self.gate.streams.taken()
    }

    /// Takes one of the streams' places for something that no layer sees: an upgraded connection, whose request is over
    /// with its head, or a subscription. It is given back when what is returned is dropped.
    ///
    /// `None` if all are taken: there is still time to refuse, which there is not once the 101 is sent. Where nothing is
    /// enforced there always is a place.
    ///
    /// ```
    /// use axum::extract::State;
    /// use http::StatusCode;
    /// use macadam_load_shed::LoadShedHandle;
    ///
    /// async fn chat(State(gate): State<LoadShedHandle>) -> Result<StatusCode, StatusCode> {
    ///     let place = gate.open_stream().ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    ///     // In what serves the upgraded connection, such as the closure of `WebSocketUpgrade::on_upgrade`:
    ///     tokio::spawn(async move {
    ///         let _place = place;
    ///         // ...
    ///     });
    ///     Ok(StatusCode::SWITCHING_PROTOCOLS)
    /// }
    /// ```
    pub fn open_stream(&self) -> Option<Permit> {
        match self.mode.get() {
            Mode::Off => Some(Permit::nothing()),
            Mode::DryRun => Some(Permit::streaming(&self.gate).unwrap_or_else(Permit::nothing)),
            Mode::Enforce => Permit::streaming(&self.gate),
        }
    }

    /// How many requests wait for a slot.
    pub fn queued(&self) -> u32 {
        self.gate.look().waiting().into()
    }

    /// How late the executor last was, where the limit is not fixed.
    pub fn lag(&self) -> Option<Duration> {
        self.pulse.as_ref().map(|pulse| pulse.lag.last())
    }

    /// Whether requests are refused because the executor is late.
    pub fn is_late(&self) -> bool {
        self.pulse.as_ref().is_some_and(|pulse| pulse.lag.is_overloaded())
    }
}

impl Gauges for LoadShedHandle {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        let mut gauge = |name, labels: &[(&'static str, &str)], value| out(Reading { name, labels, value });
        let now = self.gate.look();
        let phases = [
            ("slot", now.in_flight()),
            ("stream", self.gate.streams.taken()),
            ("exempt", self.gate.exempt.taken()),
        ];
        for (phase, requests) in phases {
            gauge("macadam_load_shed_in_flight", &[("phase", phase)], requests.into());
        }
        gauge("macadam_load_shed_limit", &[], now.limit().into());
        gauge("macadam_load_shed_queued", &[], now.waiting().into());
        for (use_, name) in [(Use::Good, "good"), (Use::Bad, "bad")] {
            gauge("macadam_load_shed_ended_total", &[("use", name)], self.gate.ended(use_) as f64);
        }
        for reason in Reason::ALL {
            let refused = self.tally.get(reason) as f64;
            gauge("macadam_load_shed_refused_total", &[("reason", reason.as_str())], refused);
        }
        let Some(pulse) = &self.pulse else { return };
        gauge("macadam_load_shed_lag_seconds", &[], pulse.lag.last().as_secs_f64());
        for (signal, is_on) in [("lag", pulse.lag.is_overloaded()), ("queue", pulse.queue_is_overloaded())] {
            gauge("macadam_load_shed_overloaded", &[("signal", signal)], if is_on { 1.0 } else { 0.0 });
        }
        gauge("macadam_load_shed_threshold", &[], pulse.door.threshold().min(door::OPEN).into());
    }

    fn metrics(&self) -> &'static [Metric] {
        Self::METRICS
    }
}

impl LoadShedHandle {
    /// What its figures mean.
    pub const METRICS: &'static [Metric] = &[
                Metric::new(
                    "macadam_load_shed_in_flight",
                    "Admitted requests that are not over, by what they hold: a slot, a place of the stream budget, or nothing",
                    &["phase"],
                ).at_most(3),
                Metric::new("macadam_load_shed_limit", "How many requests may hold a slot at once", &[]),
                Metric::new("macadam_load_shed_queued", "Requests that wait for a slot", &[]),
                Metric::new(
                    "macadam_load_shed_ended_total",
                    "Requests that have given their slot back, by whether that was of use",
                    &["use"],
                ).at_most(2),
                Metric::new(
                    "macadam_load_shed_refused_total",
                    "Requests that were refused, or would be in a dry run",
                    &["reason"],
                ).at_most(Reason::ALL.len()),
                Metric::new(
                    "macadam_load_shed_lag_seconds",
                    "How late the runtime last ran a task that was due",
                    &[],
                ),
                Metric::new(
                    "macadam_load_shed_overloaded",
                    "Whether the signal says that there is too much to do",
                    &["signal"],
                ).at_most(2),
                Metric::new(
                    "macadam_load_shed_threshold",
                    "The level of importance below which the lag of the runtime refuses requests",
                    &[],
                ),
            ];
}

impl fmt::Debug for LoadShedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.gate.look();
        f.debug_struct("LoadShedHandle")
            .field("mode", &self.mode())
            .field("in_flight", &now.in_flight())
            .field("limit", &now.limit())
            .field("queued", &now.waiting())
            .finish_non_exhaustive()
    }
}
