//! The page's live part, as an event stream.

use std::{convert::Infallible, fmt::Write, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::{page, reader::Ticks};

/// As many at a time as there are people who look.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    places: Arc<Semaphore>,
}

struct Open {
    ticks: Ticks,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

impl Streams {
    pub(crate) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    /// One event a second: the page's `main`. `None` where there are too many already.
    pub(crate) fn open(&self, ticks: Ticks) -> Option<UnsyncBoxBody<Bytes, Infallible>> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let open = Open { ticks, until: Instant::now() + LIFE, _place: place };
        let events = stream::unfold(open, |mut open| async {
            let status = timeout_at(open.until, open.ticks.next()).await.ok()??;
            let event = event(&page::main(&status).ok()?);
            Some((Ok(Frame::data(Bytes::from(event))), open))
        });
        Some(StreamBody::new(events).boxed_unsync())
    }
}

/// The event that bears this text. Each of its lines has to say that it is data, however it ends: a bare carriage return
/// ends a line too.
fn event(text: &str) -> String {
    let mut event = String::with_capacity(text.len() + 64);
    for line in text.split(['\r', '\n']).filter(|line| !line.is_empty()) {
        // It does not fail: a string grows.
        let _ = writeln!(event, "data: {line}");
    }
    event.push('\n');
    event
}

pub(crate) const AT_A_TIME: usize = 8;
/// A peer that vanished is given up at last; one that is still there comes back at once, by itself.
const LIFE: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_event_or_begins_another_field() {
        assert_eq!(
            event("<p>one\n\nevent: x\rid: 7\r\n</p>"),
            "data: <p>one\ndata: event: x\ndata: id: 7\ndata: </p>\n\n"
        );
    }
}
