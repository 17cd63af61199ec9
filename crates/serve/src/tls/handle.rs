//! A certificate, as it is watched from outside.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use macadam_core::{Gauges, Metric, Reading};

use super::{TlsError, keyring::Keyring};

/// Watches the certificate that a server shows, and reads it again. Cheap to clone.
///
/// | figure | |
/// |---|---|
/// | `macadam_serve_tls_certificate_not_after_seconds` | when it expires, in seconds since 1970 |
/// | `macadam_serve_tls_certificate_stale` | 1 if what its files held at the last look was of no use, and an older one is shown |
#[derive(Clone)]
pub struct TlsHandle {
    keyring: Arc<Keyring>,
}

impl TlsHandle {
    pub(super) fn new(keyring: Arc<Keyring>) -> Self {
        Self { keyring }
    }

    /// Reads the files at once. It blocks for as long as that takes.
    ///
    /// # Errors
    ///
    /// As [`Tls::pem`](crate::Tls::pem). The old certificate is then shown on.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.keyring.reload()
    }

    /// When the certificate that is shown expires, if it says so in a form that is understood.
    pub fn not_after(&self) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.keyring.not_after()?))
    }

    /// Whether what the files held at the last look was of no use.
    pub fn is_stale(&self) -> bool {
        self.keyring.is_stale()
    }
}

impl Gauges for TlsHandle {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        let mut figure = |name, value| out(Reading { name, labels: &[], value });
        if let Some(not_after) = self.keyring.not_after() {
            #[expect(clippy::cast_precision_loss, reason = "figures are floats")]
            figure("macadam_serve_tls_certificate_not_after_seconds", not_after as f64);
        }
        figure("macadam_serve_tls_certificate_stale", f64::from(u8::from(self.is_stale())));
    }

    fn metrics(&self) -> &'static [Metric] {
        Self::METRICS
    }
}

impl TlsHandle {
    /// What its figures mean.
    pub const METRICS: &'static [Metric] = &[
        Metric::new(
            "macadam_serve_tls_certificate_not_after_seconds",
            "When the certificate expires, in seconds since 1970",
            &[],
        ),
        Metric::new(
            "macadam_serve_tls_certificate_stale",
            "Whether the files of the certificate have changed and could not be read",
            &[],
        ),
    ];
}

impl fmt::Debug for TlsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsHandle").field(&self.keyring).finish()
    }
}
