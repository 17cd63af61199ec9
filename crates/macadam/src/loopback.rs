//! The public listener, asked by the service itself as a client would.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use macadam_core::{Phase, PhaseWatch};
use macadam_health::Check;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Where the service is to be asked, once that is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loopback {
    address: Arc<OnceLock<SocketAddr>>,
}

/// What of a client's way can be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the layer that answers probes, and back.
    Probe,
    /// As far as the accept loop, which closes a connection on which the client has hung up: beyond it there is TLS, or
    /// no layer that answers probes.
    HangUp,
}

impl Loopback {
    pub(crate) fn listens_at(&self, address: SocketAddr) {
        // A road is run once.
        let _ = self.address.set(reachable(address));
    }

    /// Passes before the service listens, and once it is about to leave.
    pub(crate) fn check(&self, way: Way, phase: PhaseWatch) -> Check {
        let known = Arc::clone(&self.address);
        let check = move || {
            let address = known.get().copied().filter(|_| phase.current() <= Phase::Serving);
            async move { if let Some(address) = address { way.go(address).await } else { Ok(()) } }
        };
        Check::new("loopback", check).initially(true).interval(INTERVAL).interval_while_down(SOONER)
    }
}

impl Way {
    async fn go(self, address: SocketAddr) -> io::Result<()> {
        let mut stream = TcpStream::connect(address).await?;
        match self {
            Self::Probe => stream.write_all(REQUEST).await?,
            Self::HangUp => stream.shutdown().await?,
        }
        // To the end: the server has to see that it was read.
        let mut answer = Vec::with_capacity(512);
        stream.take(LONGEST).read_to_end(&mut answer).await?;
        match self {
            // Whatever it says, it has been asked and has said it.
            Self::Probe if !answer.starts_with(b"HTTP/1.1 ") => {
                Err(io::Error::other("no answer in HTTP/1.1"))
            }
            _ => Ok(()),
        }
    }
}

/// Nobody connects to all addresses of a machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

const REQUEST: &[u8] = b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const LONGEST: u64 = 64 << 10;
const INTERVAL: Duration = Duration::from_secs(2);
/// After a failure: with three of 1 s each it is told within 6 s.
const SOONER: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_of_all_is_reached_on_the_loopback_of_its_family() {
        for (listens, reached) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("127.0.0.2:80", "127.0.0.2:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()), reached.parse().unwrap());
        }
    }

    #[tokio::test]
    async fn only_http_is_an_answer_to_a_probe_and_only_a_close_one_to_hanging_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers: [&[u8]; 3] = [b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"SSH-2.0-x\r\n", b""];
        tokio::spawn(async move {
            for nth in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; REQUEST.len()];
                let _ = stream.read(&mut asked).await;
                stream.write_all(answers[nth % 3]).await.unwrap();
            }
        });
        assert!(Way::Probe.go(address).await.is_ok());
        assert!(Way::Probe.go(address).await.is_err());
        assert!(Way::Probe.go(address).await.is_err());
        assert!(Way::HangUp.go(address).await.is_ok());
    }
}
