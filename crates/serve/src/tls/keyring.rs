//! The certificate that is shown now, and the next one.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use rustls::ServerConfig;
use tracing::{info, warn};

use super::{
    TlsError,
    files::{Contents, Files, Shown, fingerprint},
};

/// Holds what handshakes use, and replaces it.
pub(super) struct Keyring {
    files: Files,
    shown: RwLock<Shown>,
    /// The fingerprint of what was read last, of use or not. Its lock is held while files are read.
    last_read: Mutex<u64>,
    is_stale: AtomicBool,
}

impl Keyring {
    pub(super) fn open(files: Files) -> Result<Self, TlsError> {
        let contents = files.read()?;
        let shown = files.shown(&contents)?;
        Ok(Self {
            files,
            shown: RwLock::new(shown),
            last_read: Mutex::new(fingerprint(&Ok(contents))),
            is_stale: AtomicBool::new(false),
        })
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner).config)
    }

    pub(super) fn not_after(&self) -> Option<u64> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).not_after
    }

    /// Whether the last reading was of no use.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale.load(Relaxed)
    }

    /// Takes what is in the files now.
    pub(super) fn reload(&self) -> Result<(), TlsError> {
        let mut last_read = self.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        let read = self.files.read();
        *last_read = fingerprint(&read);
        self.take(read)
    }

    /// Takes what is in the files if it is not what was there before: what is of no use is said once.
    pub(super) fn recheck(&self) {
        let mut last_read = self.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        let read = self.files.read();
        let fingerprint = fingerprint(&read);
        if *last_read != fingerprint {
            *last_read = fingerprint;
            let _ = self.take(read);
        }
    }

    fn take(&self, read: Result<Contents, TlsError>) -> Result<(), TlsError> {
        let shown = read.and_then(|contents| self.files.shown(&contents));
        self.is_stale.store(shown.is_err(), Relaxed);
        match shown {
            Ok(shown) => {
                info!(not_after = shown.not_after, "new connections see the TLS certificate as it is now");
                *self.shown.write().unwrap_or_else(PoisonError::into_inner) = shown;
                Ok(())
            }
            Err(error) => {
                warn!(%error, "the TLS certificate stays as it was");
                Err(error)
            }
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("files", &self.files)
            .field("not_after", &self.not_after())
            .field("is_stale", &self.is_stale())
            .finish_non_exhaustive()
    }
}
