//! A close that takes no answer back.
//!
//! A socket that is closed with bytes unread sends a reset, and a reset throws away what the client has received and
//! not read yet. So a closing connection reads on for a while.
//!
//! What it reads may be requests that nobody will answer. They are counted: it is the only trace that they leave.

use std::{
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Duration, Instant},
};

use crate::{clocks::Alarm, http2::Frames, transport::Transport};

/// Reads and discards, after our side has said its last.
pub(crate) struct Linger {
    alarm: Alarm,
    quiet_at: Instant,
    until: Instant,
    /// HTTP/2: what has come so far.
    frames: Option<Frames>,
    discarded: Discarded,
}

/// What a client has sent in vain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Discarded {
    pub(crate) bytes: u64,
    /// Requests among them, if they are not the rest of one: each stream that HTTP/2 opens, and in HTTP/1 whatever comes,
    /// since a client waits for an answer before it sends another.
    pub(crate) requests: u64,
}

impl Linger {
    /// With what has come so far, in HTTP/2.
    pub(crate) fn new(frames: Option<Frames>) -> Self {
        let now = Instant::now();
        // An HTTP/2 client may have streams under way on a longer path, and nothing that waits for our close.
        let silence = if frames.is_some() { LONGEST } else { SILENCE };
        let quiet_at = now + silence;
        let alarm = Alarm::at(quiet_at);
        Self { alarm, quiet_at, until: now + LONGEST, frames, discarded: Discarded::default() }
    }

    /// Ready when the client has closed too, is silent, or has had its time; with what it sent in vain.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, transport: &mut Transport) -> Poll<Discarded> {
        let mut scratch = [const { MaybeUninit::uninit() }; 4096];
        loop {
            let mut buf = ReadBuf::uninit(&mut scratch);
            let Poll::Ready(read) = Pin::new(&mut *transport).poll_read(cx, &mut buf) else {
                ready!(self.alarm.poll(cx, self.quiet_at.min(self.until)));
                return Poll::Ready(self.discarded);
            };
            let bytes = if read.is_ok() { buf.filled() } else { &[] };
            self.discarded.see(bytes, self.frames.as_mut());
            let now = Instant::now();
            if bytes.is_empty() || now >= self.until {
                return Poll::Ready(self.discarded);
            }
            self.quiet_at = self.quiet_at.max(now + SILENCE);
        }
    }
}

impl Discarded {
    fn see(&mut self, bytes: &[u8], frames: Option<&mut Frames>) {
        self.bytes += bytes.len() as u64;
        match frames {
            Some(frames) => {
                let before = frames.see(&[]).blocks();
                self.requests += u64::from(frames.see(bytes).blocks().wrapping_sub(before));
            }
            // Some clients end a body with a line too many.
            None if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) => {}
            None => self.requests = 1,
        }
    }
}

/// An HTTP/1 client that has sent nothing for this long has nothing under way.
const SILENCE: Duration = Duration::from_millis(250);
/// Nor does one that sends for ever keep its connection longer than this.
const LONGEST: Duration = Duration::from_secs(1);
