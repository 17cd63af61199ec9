//! A close that takes no answer back.
//!
//! A socket that is closed with bytes unread sends a reset, and a reset throws away what the client has received and
//! not read yet. So a closing connection reads on for a while.

use std::{
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Duration, Instant},
};

use crate::{alarm::Alarm, transport::Transport};

/// Reads and discards, after our side has said its last.
pub(crate) struct Linger {
    alarm: Alarm,
    quiet_at: Instant,
    until: Instant,
    discarded: u64,
}

impl Linger {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let quiet_at = now + SILENCE;
        Self { alarm: Alarm::at(quiet_at), quiet_at, until: now + LONGEST, discarded: 0 }
    }

    /// Ready when the client has closed too, is silent, or has had its time; with the bytes that it sent in vain.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, transport: &mut Transport) -> Poll<u64> {
        let mut scratch = [const { MaybeUninit::uninit() }; 4096];
        loop {
            let mut buf = ReadBuf::uninit(&mut scratch);
            let Poll::Ready(read) = Pin::new(&mut *transport).poll_read(cx, &mut buf) else {
                ready!(self.alarm.poll(cx, self.quiet_at.min(self.until)));
                return Poll::Ready(self.discarded);
            };
            let read = buf.filled().len() * usize::from(read.is_ok());
            self.discarded += read as u64;
            let now = Instant::now();
            if read == 0 || now >= self.until {
                return Poll::Ready(self.discarded);
            }
            self.quiet_at = now + SILENCE;
        }
    }
}

/// A client that has sent nothing for this long has nothing under way.
const SILENCE: Duration = Duration::from_millis(250);
/// Nor does one that sends for ever keep its connection longer than this.
const LONGEST: Duration = Duration::from_secs(1);
