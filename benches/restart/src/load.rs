//! An open loop: requests are due at instants drawn from a seed, and are sent then, whatever became of those before.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    ending::{Ending, Failure, Tally},
    http1, http2,
};

/// What is offered, and to whom.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// Requests a second.
    pub(crate) rate: f64,
    /// How many connections are kept, of each of the two kinds that are.
    pub(crate) connections: usize,
    pub(crate) mix: &'static [Part],
    pub(crate) seed: u64,
}

/// A part of the requests.
pub(crate) struct Part {
    /// How many of the whole, beside those of the others.
    pub(crate) weight: u32,
    pub(crate) way: Way,
    pub(crate) target: &'static str,
    /// Bytes of a POST; 0 is a GET.
    pub(crate) upload: usize,
}

/// By which connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// HTTP/1.1, the one that has been idle longest.
    Kept,
    /// HTTP/1.1, one of its own.
    Anew,
    /// HTTP/2, each in its turn.
    Stream,
}

impl Load {
    /// Offers it while `act` runs, and says what became of it.
    pub(crate) fn during<R>(self, act: impl FnOnce() -> R) -> (R, Tally) {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
            runtime.block_on(self.offer(&stopped))
        });
        // Dropped also where `act` panics: nobody would end the loop otherwise.
        let stop = StopOnDrop(stop);
        pause(WARM_UP);
        let done = act();
        drop(stop);
        (done, thread.join().expect("the generator does not panic"))
    }

    async fn offer(self, stop: &AtomicBool) -> Tally {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let clients = Arc::new(Clients {
            address: self.address,
            kept: Pool::of(self.connections),
            streams: Pool::of(self.connections),
        });
        let whole: u32 = self.mix.iter().map(|part| part.weight).sum();
        let mut requests = JoinSet::new();
        let mut tally = Tally::default();
        let mut due = Instant::now();
        while !stop.load(Relaxed) {
            due += Duration::from_secs_f64(-(1.0 - uniform(&mut random)).ln() / self.rate);
            sleep_until(due).await;
            let mut chosen = random.next_u32() % whole;
            let part = self.mix.iter().find(|part| match chosen.checked_sub(part.weight) {
                Some(rest) => {
                    chosen = rest;
                    false
                }
                None => true,
            });
            let part = part.expect("the weights add up to the whole");
            requests.spawn(Arc::clone(&clients).ask(part, due));
            while let Some(ended) = requests.try_join_next() {
                note(&mut tally, ended);
            }
        }
        while let Some(ended) = requests.join_next().await {
            note(&mut tally, ended);
        }
        tally
    }
}

type Ended = (Ending, Duration, Duration);

fn note(tally: &mut Tally, ended: Result<Ended, tokio::task::JoinError>) {
    let (ending, lag, latency) = ended.expect("a client does not panic");
    tally.note(ending, lag, latency);
}

struct Clients {
    address: SocketAddr,
    kept: Pool<http1::Connection>,
    streams: Pool<http2::Connection>,
}

impl Clients {
    /// How the request ended, how late it was begun, and how late it was over.
    async fn ask(self: Arc<Self>, part: &'static Part, due: Instant) -> Ended {
        let lag = due.elapsed();
        let asked = async {
            match part.way {
                Way::Kept => self.ask_kept(part).await,
                Way::Anew => self.ask_anew(part).await,
                Way::Stream => self.ask_on_a_stream(part).await,
            }
        };
        let ending = match timeout(PATIENCE, asked).await {
            Ok(Ok(ending)) => ending,
            Ok(Err(failure)) => Ending::Failed(failure),
            Err(_) => Ending::Failed(Failure::TimedOut),
        };
        (ending, lag, due.elapsed())
    }

    async fn ask_kept(&self, part: &Part) -> Result<Ending, Failure> {
        let (mut connection, place) = match self.kept.take(http1::Connection::is_quiet) {
            (Some(connection), place) => (connection, place),
            (None, place) => (http1::Connection::open(self.address).await?, place),
        };
        let (ending, keeps) = connection.ask(&self.text(part, "")).await;
        if keeps {
            place.give_back(connection);
        }
        Ok(ending)
    }

    async fn ask_anew(&self, part: &Part) -> Result<Ending, Failure> {
        let mut connection = http1::Connection::open(self.address).await?;
        Ok(connection.ask(&self.text(part, "connection: close\r\n")).await.0)
    }

    async fn ask_on_a_stream(&self, part: &Part) -> Result<Ending, Failure> {
        let connection = match self.streams.take(http2::Connection::takes_streams) {
            (Some(connection), place) => {
                place.give_back(connection.clone());
                connection
            }
            (None, place) => {
                let connection = http2::Connection::open(self.address).await?;
                place.give_back(connection.clone());
                connection
            }
        };
        let method = if part.upload == 0 { Method::GET } else { Method::POST };
        let target = format!("http://{}{}", self.address, part.target);
        let request = Request::builder().method(method).uri(target).body(()).expect("it is a request");
        Ok(connection.ask(request, Bytes::from_static(&ZEROS[..part.upload])).await)
    }

    fn text(&self, part: &Part, header: &str) -> Vec<u8> {
        let Part { target, upload, .. } = part;
        let address = self.address;
        let mut text = match upload {
            0 => format!("GET {target} HTTP/1.1\r\nhost: {address}\r\n{header}\r\n").into_bytes(),
            _ => format!(
                "POST {target} HTTP/1.1\r\nhost: {address}\r\n{header}content-length: {upload}\r\n\r\n"
            )
            .into_bytes(),
        };
        text.extend_from_slice(&ZEROS[..*upload]);
        text
    }
}

/// Connections that are kept, the one that was used longest ago first.
struct Pool<C> {
    idle: Mutex<VecDeque<C>>,
    /// All that count, those in use too.
    open: AtomicUsize,
    /// As many as are opened before one is used again.
    wanted: usize,
}

/// What a connection is counted by, until it is known not to be used again.
struct Place<'a, C> {
    pool: &'a Pool<C>,
}

impl<C> Pool<C> {
    fn of(wanted: usize) -> Self {
        Self { idle: Mutex::default(), open: AtomicUsize::new(0), wanted }
    }

    /// One that can be used, or none where one has to be opened.
    fn take(&self, is_usable: impl Fn(&C) -> bool) -> (Option<C>, Place<'_, C>) {
        if self.open.load(Relaxed) >= self.wanted {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(connection) = idle.pop_front() {
                let place = Place { pool: self };
                if is_usable(&connection) {
                    return (Some(connection), place);
                }
            }
        }
        self.open.fetch_add(1, Relaxed);
        (None, Place { pool: self })
    }
}

impl<C> Place<'_, C> {
    fn give_back(self, connection: C) {
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push_back(connection);
        std::mem::forget(self);
    }
}

impl<C> Drop for Place<'_, C> {
    fn drop(&mut self) {
        self.pool.open.fetch_sub(1, Relaxed);
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// From 0 to 1, without 1.
pub(crate) fn uniform(random: &mut impl RngCore) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[expect(clippy::disallowed_methods, reason = "for threads without a runtime")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// From when a request is due until its client gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// For the connections to be opened, before anything happens to them.
const WARM_UP: Duration = Duration::from_millis(400);
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
    };

    use socket2::SockRef;

    use super::*;
    use crate::instance::listen;

    static KEPT: [Part; 1] = [Part { weight: 1, way: Way::Kept, target: "/", upload: 0 }];
    const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no";
    const NO: &str = "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n";

    /// Whether the connection stays open.
    type Treat = fn(&mut TcpStream) -> bool;

    /// What a client sees of a server that treats each request so.
    fn offered(treat: Treat) -> Tally {
        let listener = listen().unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || serve(&listener, treat));
        Load { address, rate: 200.0, connections: 10, mix: &KEPT, seed: 1 }.during(|| ()).1
    }

    fn serve(listener: &TcpListener, treat: Treat) {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(
                move || {
                    while matches!(stream.read(&mut [0; 1024]), Ok(1..)) && treat(&mut stream) {}
                },
            );
        }
    }

    fn answer(stream: &mut TcpStream, answer: &str) -> bool {
        stream.write_all(answer.as_bytes()).is_ok()
    }

    #[test]
    fn each_way_to_fail_is_told_apart() {
        let well = offered(|stream| answer(stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
        assert!(well.answered > 20 && well.failed() == 0, "{well}");

        let all = |tally: Tally, failure: Failure| {
            assert!(tally.failed() > 20 && tally.failed() == tally.requests(), "{tally}");
            assert!(tally.to_string().contains(&format!("({} {failure})", tally.failed())), "{tally}");
        };
        all(offered(|_| false), Failure::Ended);
        all(offered(|stream| !answer(stream, HALF)), Failure::Truncated);
        all(offered(|stream| answer(stream, NO)), Failure::Status(503));
        // Closed by a reset.
        let reset: Treat = |stream| SockRef::from(&*stream).set_linger(Some(Duration::ZERO)).is_err();
        all(offered(reset), Failure::Reset);
        let nobody = listen().unwrap().local_addr().unwrap();
        let load = Load { address: nobody, rate: 200.0, connections: 10, mix: &KEPT, seed: 1 };
        all(load.during(|| ()).1, Failure::Refused);
    }
}
