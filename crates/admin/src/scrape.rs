//! What a scraper is told.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// The media type and the text for who sends this `Accept`.
type Write = dyn Fn(Option<&str>) -> (&'static str, String) + Send + Sync;

/// Writes the metrics, one scrape at a time.
#[derive(Clone)]
pub(crate) struct Scrape {
    write: Arc<Write>,
    turn: Arc<Semaphore>,
}

impl Scrape {
    pub(crate) fn new(write: Arc<Write>) -> Self {
        Self { write, turn: Arc::new(Semaphore::new(1)) }
    }

    /// The metrics as they are now. `None` if what they are read from hangs, or panics.
    ///
    /// They are not written on the thread that answers probes, which must not wait for a handle that blocks. One that hangs
    /// keeps its turn, so that it hangs once, however many scrapers come after.
    pub(crate) async fn text(&self, accept: Option<String>) -> Option<(&'static str, String)> {
        let written = async {
            let turn = Arc::clone(&self.turn).acquire_owned().await.ok()?;
            let write = Arc::clone(&self.write);
            let text = spawn_blocking(move || {
                let text = write(accept.as_deref());
                drop(turn);
                text
            });
            text.await.ok()
        };
        timeout(PATIENCE, written).await.ok()?
    }
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape").finish_non_exhaustive()
    }
}

/// Half of what Prometheus waits for by default.
const PATIENCE: Duration = Duration::from_secs(5);
