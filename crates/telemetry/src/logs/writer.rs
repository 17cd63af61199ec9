//! Lines that nobody waits for.

use std::{
    fmt,
    io::{self, Write},
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use macadam_core::{Gauges, Metric, Reading};
use tracing_subscriber::fmt::MakeWriter;

/// Hands lines to a thread that writes them, so that no request stands in a line that a full pipe does not take.
///
/// A line is lost, and counted, where 4 MiB of them wait already; once there is room, a line says how many. All that waits is
/// written by one call: under load there are fewer of them than lines.
///
/// Lines are handed over while somebody holds a [`Unawaited`]. Before and after, whoever writes waits until it is written, a
/// second at the most: the first lines of a process and its last ones are not to be lost with it.
///
/// Cheap to clone; all clones are one log.
#[derive(Clone)]
pub struct LogWriter(Arc<Shared>);

/// Lines are not waited for: somebody serves. When this is dropped, those that are left are.
#[must_use = "lines are handed over for as long as it is held"]
#[derive(Debug)]
pub struct Unawaited(LogWriter);

/// A line that is being written.
#[derive(Debug)]
pub struct Line<'a>(&'a LogWriter);

struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write.
    come: Condvar,
    /// There is nothing to write.
    gone: Condvar,
    dropped: AtomicU64,
    served: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    lines: Vec<u8>,
    /// What is being written is not in `lines` any more.
    is_writing: bool,
}

impl LogWriter {
    /// Writes to `out`, on a thread of its own, to the end of the process.
    ///
    /// # Errors
    ///
    /// Where the system has no thread for it.
    pub fn spawn(out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            come: Condvar::new(),
            gone: Condvar::new(),
            dropped: AtomicU64::new(0),
            served: AtomicUsize::new(0),
        });
        let writing = Arc::clone(&shared);
        thread::Builder::new().name("macadam-log".to_owned()).spawn(move || writing.write_to(out))?;
        Ok(Self(shared))
    }

    /// Nobody waits for lines, as long as this is held.
    pub fn unawaited(&self) -> Unawaited {
        self.0.served.fetch_add(1, Relaxed);
        Unawaited(self.clone())
    }

    /// How many lines were lost.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Relaxed)
    }

    /// Waits until all lines are written, so long at the most, and says whether they are.
    pub fn flush(&self, limit: Duration) -> bool {
        let queue = self.0.lock();
        let is_full = |queue: &mut Queue| queue.is_writing || !queue.lines.is_empty();
        let waited = self.0.gone.wait_timeout_while(queue, limit, is_full);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn line(&self, line: &[u8]) {
        let mut queue = self.0.lock();
        if queue.lines.len() + line.len() > MOST {
            drop(queue);
            self.0.dropped.fetch_add(1, Relaxed);
            return;
        }
        // Else the thread has been told, or looks again before it waits.
        let is_first = queue.lines.is_empty() && !queue.is_writing;
        queue.lines.extend_from_slice(line);
        drop(queue);
        if is_first {
            self.0.come.notify_one();
        }
        if self.0.served.load(Relaxed) == 0 {
            self.flush(LAST);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        let mut told = 0;
        let mut is_taken = true;
        loop {
            let queue = self.lock();
            let come = self.come.wait_while(queue, |queue| queue.lines.is_empty());
            let mut queue = come.unwrap_or_else(PoisonError::into_inner);
            queue.is_writing = true;
            mem::swap(&mut lines, &mut queue.lines);
            drop(queue);

            // Here, since the queue is empty now: behind what was just written it may be as full as ever.
            let dropped = self.dropped.load(Relaxed);
            if is_taken && dropped > told {
                let lines = dropped - told;
                told = dropped;
                // Or this thread would wait for itself.
                self.served.fetch_add(1, Relaxed);
                tracing::warn!(target: "macadam::logs", lines, "lines of the log were lost: whoever reads it was too slow");
                self.served.fetch_sub(1, Relaxed);
            }

            let written = out.write_all(&lines).and_then(|()| out.flush());
            is_taken = written.is_ok();
            if !is_taken {
                let lost = lines.iter().filter(|byte| **byte == b'\n').count();
                self.dropped.fetch_add(lost as u64, Relaxed);
            }
            lines.clear();
            lines.shrink_to(KEPT);

            let mut queue = self.lock();
            queue.is_writing = false;
            let is_empty = queue.lines.is_empty();
            drop(queue);
            if is_empty {
                self.gone.notify_all();
            }
        }
    }
}

impl Drop for Unawaited {
    fn drop(&mut self) {
        let Self(writer) = self;
        writer.0.served.fetch_sub(1, Relaxed);
        writer.flush(LAST);
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// Each call is one line: it is there as a whole, or not at all.
impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !line.is_empty() {
            self.0.line(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Gauges for LogWriter {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        out(Reading { name: DROPPED, labels: &[], value: self.dropped() as f64 });
    }

    fn metrics(&self) -> &'static [Metric] {
        Self::METRICS
    }
}

impl LogWriter {
    /// What its figures mean.
    pub const METRICS: &'static [Metric] =
        &[Metric::new(DROPPED, "Lines of the log that were lost, since whoever reads it was too slow", &[])];
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogWriter").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

const DROPPED: &str = "macadam_telemetry_log_lines_dropped_total";
/// The most bytes that wait.
const MOST: usize = 4 << 20;
/// The most bytes that a buffer keeps for the next time.
const KEPT: usize = 256 << 10;
/// The most that the last lines are waited for.
const LAST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// Takes a buffer for each permit.
    struct Slow {
        permits: Receiver<()>,
        written: Arc<Mutex<Vec<Vec<u8>>>>,
    }

    impl Write for Slow {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            self.permits.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            self.written.lock().unwrap().push(lines.to_owned());
            Ok(lines.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Bench {
        writer: LogWriter,
        permits: SyncSender<()>,
        written: Arc<Mutex<Vec<Vec<u8>>>>,
    }

    impl Bench {
        fn new() -> Self {
            let (permits, taken) = sync_channel(1024);
            let written = Arc::default();
            let writer = LogWriter::spawn(Slow { permits: taken, written: Arc::clone(&written) }).unwrap();
            Self { writer, permits, written }
        }

        fn line(&self, line: &[u8]) {
            self.writer.make_writer().write_all(line).unwrap();
        }

        /// Gives the thread all the permits that it may want.
        fn release(&self) {
            while self.permits.try_send(()).is_ok() {}
            assert!(self.writer.flush(Duration::from_secs(10)));
        }

        fn written(&self) -> Vec<u8> {
            self.written.lock().unwrap().concat()
        }
    }

    #[test]
    fn who_serves_does_not_wait_and_what_has_no_room_is_counted() {
        let bench = Bench::new();
        let serving = bench.writer.unawaited();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        // One buffer of the queue and one that is being written are full.
        for _ in 0..3 * MOST / line.len() {
            bench.line(&line);
        }
        let dropped = bench.writer.dropped();
        let most = (MOST / line.len()) as u64;
        assert!((most..=2 * most).contains(&dropped), "{dropped}");
        bench.release();
        let lines = bench.written().len() / line.len();
        assert_eq!(lines as u64 + dropped, 3 * most);
        // There is room again.
        bench.line(b"more\n");
        bench.release();
        assert!(bench.written().ends_with(b"\nmore\n"));
        drop(serving);
    }

    #[test]
    fn under_load_there_are_fewer_writes_than_lines_and_their_order_is_kept() {
        let bench = Bench::new();
        let serving = bench.writer.unawaited();
        let lines: Vec<_> = (0..1000).map(|line| format!("{line}\n")).collect();
        lines.iter().for_each(|line| bench.line(line.as_bytes()));
        bench.release();
        assert_eq!(bench.written(), lines.concat().as_bytes());
        assert!(bench.written.lock().unwrap().len() <= 2);
        drop(serving);
    }

    #[test]
    fn the_last_who_serves_flushes_and_after_that_each_line_is_waited_for() {
        let bench = Bench::new();
        let (one, other) = (bench.writer.unawaited(), bench.writer.unawaited());
        drop(one);
        bench.line(b"first\n");
        (0..16).for_each(|_| bench.permits.send(()).unwrap());
        drop(other);
        assert_eq!(bench.written(), b"first\n");
        for line in [&b"second\n"[..], b"third\n"] {
            bench.line(line);
            assert!(bench.written().ends_with(line));
        }
    }

    #[test]
    fn a_flush_of_what_nobody_reads_is_given_up() {
        let bench = Bench::new();
        let _serving = bench.writer.unawaited();
        assert!(bench.writer.flush(Duration::from_millis(1)), "there is nothing to write");
        bench.line(b"never\n");
        assert!(!bench.writer.flush(Duration::from_millis(20)));
    }

    #[test]
    fn a_reader_that_is_gone_costs_the_lines_and_nothing_else() {
        let Bench { writer, permits, .. } = Bench::new();
        drop(permits);
        for line in 1..=3 {
            writer.make_writer().write_all(b"lost\n").unwrap();
            assert_eq!(writer.dropped(), line);
        }
    }
}
