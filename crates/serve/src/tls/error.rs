//! What can be wrong with a certificate.

use std::{fmt, io, path::PathBuf};

/// Why a certificate cannot be served: which file, what about it, and the cure.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is not PEM.
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// There is no certificate in the file.
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// There is no private key in the file, or only an encrypted one.
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// The key is not that of the first certificate.
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The cryptography has no use for them.
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        message: String,
    },
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, error } => {
                write!(
                    f,
                    "cannot read {path:?}: {error}; name a file that is there and that this process may read"
                )
            }
            Self::Malformed { path, message } => {
                write!(
                    f,
                    "{path:?} is not PEM: {message}; write it anew, as text between BEGIN and END lines"
                )
            }
            Self::NoCertificate { path } => write!(
                f,
                "{path:?} holds no certificate; expected PEM with `BEGIN CERTIFICATE`, the service's own first"
            ),
            Self::NoKey { path } => write!(
                f,
                "{path:?} holds no private key; expected PEM with `BEGIN PRIVATE KEY`, not encrypted"
            ),
            Self::Mismatch { certificate, key } => write!(
                f,
                "the key in {key:?} is not that of the first certificate in {certificate:?}; name a pair, \
                 and put the service's own certificate before those that issued it"
            ),
            Self::Unusable { certificate, key, message } => write!(
                f,
                "the certificate in {certificate:?} with the key in {key:?} is of no use: {message}; \
                 issue one with an ECDSA (P-256, P-384), Ed25519 or RSA (2048 bits or more) key"
            ),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { error, .. } => Some(error),
            _ => None,
        }
    }
}
