//! What the frames of an HTTP/2 connection tell that h2 does not.
//!
//! - Whether the peer has said SETTINGS, as it must first: h2 waits for them for ever.
//! - Whether a block of headers is under way. While it is, nothing else may come, and h2 waits for its rest for ever.
//! - Whether the peer has acknowledged a ping. After its first GOAWAY h2 says the last word, and ends the connection
//!   when its streams have ended, only then. A peer that never does would hold the connection for ever, so it is hung up on
//!   when it runs nothing; one that did must not be, however slowly it reads.
//! - How much DATA the peer lets us send.
//!
//! Finding them takes one look at each frame's head.

use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// Walks the frames of one direction.
pub(crate) struct Frames {
    /// Bytes left of the preface, or of a frame's payload.
    skip: usize,
    head: [u8; HEAD],
    seen: usize,
    kind: u8,
    flags: u8,
    passed: Passed,
}

/// What has passed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    settings: bool,
    ponged: bool,
    /// Bytes of DATA.
    data: u64,
    /// Blocks of headers, and whether the last of them is under way.
    blocks: u32,
    in_block: bool,
}

/// What the connection's parts know of its frames and streams.
#[derive(Default)]
pub(crate) struct Http2 {
    #[cfg(feature = "axum")]
    spoken: AtomicBool,
    greeted: AtomicBool,
    ponged: AtomicBool,
    /// We have hung up.
    hung_up: AtomicBool,
    /// The number of the block of headers that is under way, or 0.
    block: AtomicU32,
    /// Bytes of DATA that the socket took.
    sent: AtomicU64,
    /// Streams with a frame in hand that h2 has not asked for the next: what they have is not sent.
    unsent: AtomicU32,
}

impl Frames {
    pub(crate) fn of_the_client() -> Self {
        Self { skip: PREFACE.len(), ..Self::of_the_server() }
    }

    pub(crate) fn of_the_server() -> Self {
        Self { skip: 0, head: [0; HEAD], seen: 0, kind: NO_FRAME, flags: 0, passed: Passed::default() }
    }

    /// Walks on through `bytes`.
    pub(crate) fn see(&mut self, mut bytes: &[u8]) -> Passed {
        while !bytes.is_empty() {
            if self.skip == 0 {
                let taken = (HEAD - self.seen).min(bytes.len());
                self.head[self.seen..self.seen + taken].copy_from_slice(&bytes[..taken]);
                self.seen += taken;
                bytes = &bytes[taken..];
                if self.seen < HEAD {
                    break;
                }
                self.begin();
            }
            let skipped = self.skip.min(bytes.len());
            bytes = &bytes[skipped..];
            self.skip -= skipped;
            if self.kind == DATA {
                self.passed.data += skipped as u64;
            }
            if self.skip == 0 && matches!(self.kind, HEADERS | CONTINUATION) && self.flags & END_HEADERS != 0
            {
                self.passed.in_block = false;
            }
        }
        self.passed
    }

    /// A frame's head is whole.
    fn begin(&mut self) {
        let [a, b, c, kind, flags, ..] = self.head;
        self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.seen = 0;
        (self.kind, self.flags) = (kind, flags);
        let passed = &mut self.passed;
        match kind {
            SETTINGS => passed.settings = true,
            PING => passed.ponged |= flags & ACK != 0,
            HEADERS => {
                passed.blocks = passed.blocks.wrapping_add(1).max(1);
                passed.in_block = true;
            }
            _ => {}
        }
    }
}

impl Passed {
    /// Blocks of headers that have begun: requests, and a few trailers.
    pub(crate) fn blocks(self) -> u32 {
        self.blocks
    }
}

impl Http2 {
    /// So much has come.
    pub(crate) fn received(&self, passed: Passed) {
        self.greeted.store(passed.settings, Relaxed);
        self.ponged.store(passed.ponged, Relaxed);
        self.block.store(if passed.in_block { passed.blocks } else { 0 }, Relaxed);
    }

    /// So much has gone.
    pub(crate) fn sent(&self, passed: Passed) {
        self.sent.store(passed.data, Relaxed);
    }

    /// To h2 the client is gone from here on.
    pub(crate) fn hang_up(&self) {
        self.hung_up.store(true, Relaxed);
    }

    pub(crate) fn is_hung_up(&self) -> bool {
        self.hung_up.load(Relaxed)
    }

    /// Its preface has come.
    #[cfg(feature = "axum")]
    pub(crate) fn is_spoken(&self) -> bool {
        self.spoken.load(Relaxed)
    }

    #[cfg(feature = "axum")]
    pub(crate) fn set_spoken(&self) {
        self.spoken.store(true, Relaxed);
    }

    pub(crate) fn has_greeted(&self) -> bool {
        self.greeted.load(Relaxed)
    }

    pub(crate) fn has_ponged(&self) -> bool {
        self.ponged.load(Relaxed)
    }

    /// The block of headers that is under way.
    pub(crate) fn block(&self) -> Option<u32> {
        Some(self.block.load(Relaxed)).filter(|block| *block != 0)
    }

    /// Bytes of DATA that the socket took so far.
    pub(crate) fn data_sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// A stream has something that is not sent.
    pub(crate) fn waits(&self) {
        self.unsent.fetch_add(1, AcqRel);
    }

    /// It is, or never will be.
    pub(crate) fn waits_no_more(&self) {
        self.unsent.fetch_sub(1, Release);
    }

    /// Whether a stream has something that its peer does not let us send.
    pub(crate) fn is_unread(&self) -> bool {
        self.unsent.load(Acquire) != 0
    }
}

/// What an HTTP/2 client says first, by RFC 9113, section 3.4.
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEAD: usize = 9;
/// The preface's.
const NO_FRAME: u8 = u8::MAX;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, 1];
        frame.extend(payload);
        frame
    }

    /// What is seen of `bytes` in reads of any size, which must be the same.
    fn seen(bytes: &[u8]) -> Passed {
        let bytes = [PREFACE, bytes].concat();
        let walk = |size: usize| {
            let mut frames = Frames::of_the_client();
            bytes.chunks(size).map(|chunk| frames.see(chunk)).last().unwrap_or_default()
        };
        let whole = walk(bytes.len());
        (1..bytes.len()).for_each(|size| assert_eq!(walk(size), whole, "in reads of {size}"));
        whole
    }

    #[test]
    fn a_pong_is_found_wherever_the_reads_are_cut() {
        // A DATA frame whose payload looks like an acknowledged ping, and a ping of the client's own.
        let others =
            [frame(SETTINGS, 0, &[]), frame(DATA, 0, &frame(PING, ACK, &[])), frame(PING, 0, &[0; 8])];
        assert!(!seen(&others.concat()).ponged);
        assert!(seen(&[others.concat(), frame(PING, ACK, &[0; 8])].concat()).ponged);
    }

    #[test]
    fn settings_are_the_greeting_and_the_preface_is_none() {
        assert!(!seen(&[]).settings);
        assert!(!seen(&frame(SETTINGS, 0, &[])[..8]).settings);
        assert!(seen(&frame(SETTINGS, 0, &[])).settings);
    }

    #[test]
    fn a_block_is_under_way_from_its_first_frame_to_the_end_of_its_last() {
        let begun = [frame(HEADERS, 0, b"abc"), frame(CONTINUATION, 0, b"def")].concat();
        assert!(seen(&frame(HEADERS, END_HEADERS, b"abc")[..11]).in_block);
        assert!(!seen(&frame(HEADERS, END_HEADERS, b"abc")).in_block);
        assert!(!seen(&frame(HEADERS, END_HEADERS, b"")).in_block);
        assert!(seen(&begun).in_block);
        assert!(seen(&[&begun[..], &frame(CONTINUATION, END_HEADERS, b"")[..8]].concat()).in_block);
        let ended = [begun, frame(CONTINUATION, END_HEADERS, b"g")].concat();
        assert!(!seen(&ended).in_block);
        assert_eq!(seen(&[ended, frame(HEADERS, 0, b"a")].concat()).blocks, 2);
    }

    #[test]
    fn only_the_payload_of_data_is_data() {
        let frames =
            [frame(HEADERS, END_HEADERS, b"abc"), frame(DATA, 0, b"12345"), frame(PING, ACK, &[0; 8])];
        assert_eq!(seen(&frames.concat()).data, 5);
        assert_eq!(seen(&[frames.concat(), frame(DATA, 1, b"")].concat()).data, 5);
        assert_eq!(seen(&frame(DATA, 0, b"12345")[..11]).data, 2);
    }
}
