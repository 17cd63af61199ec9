//! Sees whether an HTTP/2 peer answers a ping.
//!
//! After its first GOAWAY h2 says the last word, and ends the connection when its streams have ended, only once the
//! peer has acknowledged a ping. A peer that never does would hold the connection for ever, so it is dropped when
//! silent; one that did must not be, however slowly it reads. h2 does not tell which one it is. The frames do, and
//! finding them takes one look at each frame's head.

/// Walks the frames that a client sends.
pub(crate) struct Frames {
    /// Bytes left of the preface, or of a frame's payload.
    skip: usize,
    head: [u8; HEAD],
    seen: usize,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self { skip: PREFACE.len(), head: [0; HEAD], seen: 0 }
    }

    /// Walks on through `bytes`, and says whether there was an acknowledged ping among them.
    pub(crate) fn see(&mut self, mut bytes: &[u8]) -> bool {
        let mut ponged = false;
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];

            let taken = (HEAD - self.seen).min(bytes.len());
            self.head[self.seen..self.seen + taken].copy_from_slice(&bytes[..taken]);
            self.seen += taken;
            bytes = &bytes[taken..];
            if self.seen == HEAD {
                let [a, b, c, kind, flags, ..] = self.head;
                self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.seen = 0;
                ponged |= kind == PING && flags & ACK != 0;
            }
        }
        ponged
    }
}

/// What an HTTP/2 client says first, by RFC 9113, section 3.4.
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEAD: usize = 9;
const PING: u8 = 6;
const ACK: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pong_is_found_wherever_the_reads_are_cut() {
        let mut bytes = PREFACE.to_vec();
        bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        // A DATA frame whose payload looks like an acknowledged ping.
        bytes.extend([0, 0, 17, 0, 0, 0, 0, 0, 1]);
        bytes.extend([0, 0, 8, 6, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        // A ping of the client's own.
        bytes.extend([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let without = bytes.clone();
        bytes.extend([0, 0, 8, 6, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        for size in 1..bytes.len() {
            let walk = |bytes: &[u8]| {
                let mut frames = Frames::new();
                bytes.chunks(size).fold(false, |ponged, chunk| frames.see(chunk) | ponged)
            };
            assert!(!walk(&without), "in reads of {size}");
            assert!(walk(&bytes), "in reads of {size}");
        }
    }
}
