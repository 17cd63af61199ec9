//! A client that wants nothing but its answers.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::time::Instant;

use crate::server::pause;

/// A thread that asks until it is told to stop: each few milliseconds on one connection, and each tenth time on a new one.
pub(crate) struct Healthy {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<[Waits; 2]>,
}

/// How long answers took.
#[derive(Default)]
pub(crate) struct Waits {
    sorted: Vec<Duration>,
    pub(crate) failed: usize,
}

impl Healthy {
    pub(crate) fn start(server: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut waits = [Waits::default(), Waits::default()];
            let mut kept = None;
            for number in 1.. {
                if told.load(Relaxed) {
                    break;
                }
                pause(Duration::from_millis(5));
                waits[0].of(|| ask(server, &mut kept));
                if number % 10 == 0 {
                    waits[1].of(|| ask(server, &mut None));
                }
            }
            waits.iter_mut().for_each(|waits| waits.sorted.sort_unstable());
            waits
        });
        Self { stop, thread }
    }

    /// On the one connection, and on new ones.
    pub(crate) fn stop(self) -> [Waits; 2] {
        self.stop.store(true, Relaxed);
        self.thread.join().expect("the thread counts its failures")
    }
}

impl Waits {
    fn of(&mut self, ask: impl FnOnce() -> io::Result<()>) {
        let begun = Instant::now();
        match ask() {
            Ok(()) => self.sorted.push(begun.elapsed()),
            Err(_) => self.failed += 1,
        }
    }

    pub(crate) fn at(&self, quantile: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let index = (self.sorted.len() as f64 * quantile) as usize;
        self.sorted.get(index.min(self.sorted.len().saturating_sub(1))).copied().unwrap_or(Duration::MAX)
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |quantile| self.at(quantile).as_secs_f64() * 1000.0;
        write!(f, "{:.2}, {:.2}, {:.1} ms", millis(0.5), millis(0.99), millis(1.0))?;
        if self.failed > 0 {
            write!(f, "; {} of {} failed", self.failed, self.failed + self.sorted.len())
        } else {
            Ok(())
        }
    }
}

/// One request, on the connection that is there or a new one. As all clients do it tries once more where a connection
/// that it had kept turns out to be closed.
fn ask(server: SocketAddr, kept: &mut Option<TcpStream>) -> io::Result<()> {
    let had_kept = kept.is_some();
    match ask_once(server, kept) {
        Err(_) if had_kept => ask_once(server, kept),
        answer => answer,
    }
}

fn ask_once(server: SocketAddr, kept: &mut Option<TcpStream>) -> io::Result<()> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(server)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream
        }
    };
    stream.write_all(b"GET /io?ms=0 HTTP/1.1\r\nhost: healthy\r\n\r\n")?;
    let mut answer = [0; 1024];
    let read = stream.read(&mut answer)?;
    if !answer[..read].starts_with(b"HTTP/1.1 200 OK") {
        return Err(io::Error::other("not 200"));
    }
    *kept = Some(stream);
    Ok(())
}
