//! TLS on the public listener, where the settings name a certificate.

use std::sync::Arc;

use macadam_core::Gauges;
use macadam_serve::Server;

use crate::{Error, settings::Serve};

/// What the public listener speaks below HTTP.
#[derive(Clone)]
pub(crate) enum Encryption {
    None,
    #[cfg(feature = "tls")]
    Tls(macadam_serve::Tls),
}

impl Encryption {
    /// Reads the certificate that the settings name.
    pub(crate) fn of(settings: &Serve) -> Result<Self, Error> {
        match (&settings.tls_certificate, &settings.tls_key) {
            #[cfg(feature = "tls")]
            (Some(certificate), Some(key)) => {
                Ok(Self::Tls(macadam_serve::Tls::pem(certificate, key)?.handshake(settings.tls_handshake)))
            }
            #[cfg_attr(
                feature = "tls",
                expect(unreachable_patterns, reason = "reached in a build without it")
            )]
            (Some(_), Some(_)) => Err(Error::NoTls),
            _ => Ok(Self::None),
        }
    }

    /// This, and what there is to watch about it.
    pub(crate) fn pair(self) -> (Self, Option<Arc<dyn Gauges>>) {
        match self {
            Self::None => (self, None),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => {
                let (tls, certificate) = tls.pair();
                (Self::Tls(tls), Some(Arc::new(certificate)))
            }
        }
    }

    pub(crate) fn on(&self, server: Server) -> Server {
        match self {
            Self::None => server,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => server.tls(tls.clone()),
        }
    }

    /// Whether who connects can speak HTTP at once.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// What to try it with.
    pub(crate) fn curl(&self) -> (&'static str, &'static str) {
        match self {
            Self::None => ("curl -i", "http"),
            // A certificate is seldom one for an address.
            #[cfg(feature = "tls")]
            Self::Tls(_) => ("curl -ik", "https"),
        }
    }
}
