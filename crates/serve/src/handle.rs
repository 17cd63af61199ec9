//! A server, as it is watched from outside.

use std::{fmt, sync::Arc};

use macadam_core::{Gauges, Metric, Reading};

use crate::{hand_over::HandedOver, house::House, reason::CloseReason};

/// Watches a server. Cheap to clone.
///
/// | figure | labels | |
/// |---|---|---|
/// | `macadam_serve_connections` | | open now, upgraded and lingering ones among them |
/// | `macadam_serve_accepted_total` | | accepted, and not refused |
/// | `macadam_serve_requests_total` | | handed to the service |
/// | `macadam_serve_in_flight` | | requests whose response is not over |
/// | `macadam_serve_accept_errors_total` | | failed calls of `accept` |
/// | `macadam_serve_refused_total` | | reset as they were accepted, since their address had its share |
/// | `macadam_serve_closes_total` | `reason` | connections that ended |
/// | `macadam_serve_linger_discarded_bytes_total` | | bytes that came after our close and were thrown away |
/// | `macadam_serve_linger_discarded_requests_total` | | requests among them: what closing idle connections cost |
#[derive(Clone)]
pub struct Handle {
    house: Arc<House>,
    handed_over: HandedOver,
}

impl Handle {
    pub(crate) fn new(house: Arc<House>, handed_over: HandedOver) -> Self {
        Self { house, handed_over }
    }

    /// Tells when a successor has the listener. The server goes on with the connections that it has: it is for the process
    /// to begin its shutdown now.
    pub fn handed_over(&self) -> &HandedOver {
        &self.handed_over
    }

    /// Connections that are open, upgraded and lingering ones among them.
    pub fn connections(&self) -> usize {
        self.house.rooms().len()
    }

    /// Requests handed to the service so far.
    pub fn requests(&self) -> u64 {
        self.house.requests()
    }

    /// Requests whose response is not over.
    pub fn in_flight(&self) -> usize {
        self.house.all().iter().map(|conn| conn.answering() as usize).sum()
    }

    /// Connections accepted so far, and not refused.
    pub fn accepted(&self) -> u64 {
        self.house.figures.accepted.get()
    }

    /// Calls of `accept` that failed so far.
    pub fn accept_errors(&self) -> u64 {
        self.house.figures.accept_errors.get()
    }

    /// Connections that were reset as they were accepted, since their address had as many as it may.
    pub fn refused(&self) -> u64 {
        self.house.figures.refused.get()
    }

    /// Connections that ended for this reason so far.
    pub fn closes(&self, reason: CloseReason) -> u64 {
        self.house.figures.closes(reason).get()
    }

    /// Bytes that came after we had closed our side, and were thrown away.
    pub fn discarded_bytes(&self) -> u64 {
        self.house.figures.discarded_bytes.get()
    }

    /// Requests that came after we had closed our side, and were thrown away: each is lost, though to a client that may
    /// retry. It is what retiring, idle clocks and `Connection: close` cost. Those of one HTTP/1 connection count once; an
    /// HTTP/2 stream does not count whose client knows from our GOAWAY that it was not served.
    pub fn discarded_requests(&self) -> u64 {
        self.house.figures.discarded_requests.get()
    }
}

impl Gauges for Handle {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        let mut figure = |name, labels: &[(&'static str, &str)], value: u64| {
            #[expect(clippy::cast_precision_loss, reason = "figures are floats")]
            out(Reading { name, labels, value: value as f64 });
        };
        let figures = &self.house.figures;
        figure("macadam_serve_connections", &[], self.connections() as u64);
        figure("macadam_serve_accepted_total", &[], figures.accepted.get());
        figure("macadam_serve_requests_total", &[], self.requests());
        figure("macadam_serve_in_flight", &[], self.in_flight() as u64);
        figure("macadam_serve_accept_errors_total", &[], figures.accept_errors.get());
        figure("macadam_serve_refused_total", &[], figures.refused.get());
        for reason in CloseReason::ALL {
            let labels = [("reason", reason.as_str())];
            figure("macadam_serve_closes_total", &labels, self.closes(*reason));
        }
        figure("macadam_serve_linger_discarded_bytes_total", &[], figures.discarded_bytes.get());
        figure("macadam_serve_linger_discarded_requests_total", &[], figures.discarded_requests.get());
    }

    fn metrics(&self) -> &'static [Metric] {
        Self::METRICS
    }
}

impl Handle {
    /// What its figures mean.
    pub const METRICS: &'static [Metric] = &[
        Metric::new("macadam_serve_connections", "Connections that are open", &[]),
        Metric::new("macadam_serve_accepted_total", "Connections that were accepted", &[]),
        Metric::new("macadam_serve_requests_total", "Requests whose head was read", &[]),
        Metric::new(
            "macadam_serve_in_flight",
            "Requests whose response has not been handed to the transport",
            &[],
        ),
        Metric::new(
            "macadam_serve_accept_errors_total",
            "Errors of accepting, such as too many open files",
            &[],
        ),
        Metric::new(
            "macadam_serve_refused_total",
            "Connections that were reset since their address had too many",
            &[],
        ),
        Metric::new("macadam_serve_closes_total", "Connections that ended, by why", &["reason"])
            .at_most(CloseReason::ALL.len()),
        Metric::new(
            "macadam_serve_linger_discarded_bytes_total",
            "Bytes that came on connections which were closing, and were thrown away",
            &[],
        ),
        Metric::new(
            "macadam_serve_linger_discarded_requests_total",
            "Requests that came on connections which were closing, and were not answered",
            &[],
        ),
    ];
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("connections", &self.connections())
            .field("requests", &self.requests())
            .finish_non_exhaustive()
    }
}
