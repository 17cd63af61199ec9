//! Those who hold connections.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    runtime::Builder,
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, interval, sleep, sleep_until, timeout},
};

use crate::server::Server;

/// What they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Silent,
    /// A byte of a head each second.
    Trickling,
    /// Half a head, and then nothing.
    Half,
}

/// What became of them.
pub(crate) struct Crowd {
    /// How long each had its connection, from the shortest.
    pub(crate) gone: Vec<Duration>,
    /// How many saw a reset.
    pub(crate) reset: usize,
    /// What part of a core the service used, from when all were there until the first limit came.
    pub(crate) cpu: f64,
    /// Bytes that the service had then.
    pub(crate) memory: u64,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "send nothing",
            Self::Trickling => "a byte a second",
            Self::Half => "half a head",
        })
    }
}

/// Opens the connections, and waits until they are gone, for no longer than four times the limit.
pub(crate) fn gather(server: &Server, kind: Kind, connections: usize, rate: u32, limit: Duration) -> Crowd {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let begun = Instant::now();
        let opened = Arc::new(Semaphore::new(0));
        let mut crowd = JoinSet::new();
        for number in 0..connections {
            let opened = Arc::clone(&opened);
            let address = server.address;
            let at = begun + Duration::from_secs(1) * u32::try_from(number).unwrap_or(u32::MAX) / rate;
            crowd.spawn(async move {
                sleep_until(at).await;
                let stream = connect(address, number).await.expect("the service accepts");
                opened.add_permits(1);
                let since = Instant::now();
                let end = timeout(limit * 4, hold(stream, kind)).await;
                (since.elapsed(), end)
            });
        }
        let _ = opened.acquire_many(u32::try_from(connections).unwrap_or(u32::MAX)).await;
        // What came of the accepts is over, and no limit is reached.
        sleep(Duration::from_millis(500)).await;
        let spent = server.cpu();
        let measured = Instant::now();
        let quiet = limit.saturating_sub(begun.elapsed() + Duration::from_millis(200));
        sleep(quiet).await;
        let cpu = (server.cpu() - spent).as_secs_f64() / measured.elapsed().as_secs_f64();
        let memory = server.memory();

        let ends = crowd.join_all().await;
        let reset = ends.iter().filter(|(_, end)| matches!(end, Ok(Err(_)))).count();
        let mut gone: Vec<_> =
            ends.into_iter().filter(|(_, end)| end.is_ok()).map(|(held, _)| held).collect();
        gone.sort_unstable();
        Crowd { gone, reset, cpu, memory }
    })
}

async fn connect(server: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let host = 2 + u8::try_from(number % 8).unwrap_or_default();
    socket.bind((Ipv4Addr::new(127, 0, 0, host), 0).into())?;
    socket.connect(server).await
}

/// Returns when the service has closed.
async fn hold(stream: TcpStream, kind: Kind) -> io::Result<()> {
    let (mut read, mut write) = stream.into_split();
    let sending = async {
        match kind {
            Kind::Silent => {}
            Kind::Half => {
                let _ = write.write_all(&HEAD[..HEAD.len() / 2]).await;
            }
            Kind::Trickling => {
                let mut second = interval(Duration::from_secs(1));
                for byte in HEAD {
                    second.tick().await;
                    if write.write_all(&[*byte]).await.is_err() {
                        break;
                    }
                }
            }
        }
        std::future::pending::<()>().await;
    };
    let reading = async {
        let mut answer = [0; 512];
        while read.read(&mut answer).await? > 0 {}
        Ok(())
    };
    tokio::select! {
        ended = reading => ended,
        () = sending => Ok(()),
    }
}

const HEAD: &[u8] =
    b"GET /io?ms=0 HTTP/1.1\r\nhost: crowd\r\nuser-agent: one of many\r\naccept: anything\r\n\r\n";
