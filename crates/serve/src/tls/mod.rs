//! TLS by rustls: a certificate from files, looked at again while it serves.

mod error;
mod expiry;
mod files;
mod handle;
mod handshake;
mod keyring;
mod records;

use std::{path::PathBuf, sync::Arc};

use tokio::{
    net::TcpStream,
    task::spawn_blocking,
    time::{Duration, sleep},
};

pub use self::{error::TlsError, handle::TlsHandle};
use self::{files::Files, keyring::Keyring, records::Records};
use crate::transport::Protocol;

/// A session on a socket.
pub(crate) type Session = tokio_rustls::server::TlsStream<Records<TcpStream>>;

/// The certificate that a server shows, and how it greets: TLS 1.3 and 1.2, HTTP/2 and HTTP/1.1 by ALPN.
///
/// The two files are read again once a minute, and when [`TlsHandle::reload`] says so. Where they hold something else
/// than before, and it is of use, connections from then on see that, and those that are open go on as they began: so a
/// certificate is renewed by replacing its files, or the symbolic link that leads to them as Kubernetes does. Where it
/// is of no use, the old certificate is served on; a line in the log and a gauge say so.
///
/// The cryptography is ring's, whatever else in the build would like to be rustls' default. A client is not asked for
/// a certificate of its own, a session resumed in the server that began it alone, and no request taken before the
/// handshake is over (0-RTT), since anybody could send it again.
///
/// ```no_run
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use macadam_serve::{Server, Tls};
///
/// let (tls, certificate) = Tls::pem("/etc/tls/tls.crt", "/etc/tls/tls.key")?.pair();
/// let server = Server::bind("0.0.0.0:8443".parse()?)?.tls(tls);
/// # drop((server, certificate));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a certificate that no server shows is of no use"]
pub struct Tls {
    keyring: Arc<Keyring>,
    handshake: Duration,
    recheck: Duration,
}

impl Tls {
    /// Reads two PEM files: the chain of certificates, the service's own first, and the private key of that one, in
    /// PKCS#8, PKCS#1 or SEC1 and not encrypted. Both may be one file.
    ///
    /// # Errors
    ///
    /// Where one of them cannot be read or does not hold what it should, or they do not belong together.
    pub fn pem(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let files = Files { certificate: certificate.into(), key: key.into() };
        Ok(Self { keyring: Arc::new(Keyring::open(files)?), handshake: HANDSHAKE, recheck: RECHECK })
    }

    /// How long a connection may take from its acceptance to the end of its handshake (10 s; 2 s in a drain). It is then
    /// closed.
    pub fn handshake(mut self, limit: Duration) -> Self {
        self.handshake = limit.min(crate::clocks::NO_LIMIT);
        self
    }

    /// How long the files are left alone between two looks at them (a minute).
    pub fn recheck(mut self, every: Duration) -> Self {
        self.recheck = every.max(Duration::from_millis(1));
        self
    }

    /// This, and a handle to watch the certificate by and to read it again.
    pub fn pair(self) -> (Self, TlsHandle) {
        let handle = TlsHandle::new(Arc::clone(&self.keyring));
        (self, handle)
    }

    /// Looks at the files for ever.
    pub(crate) async fn watch(self: Arc<Self>) {
        loop {
            sleep(self.recheck).await;
            let keyring = Arc::clone(&self.keyring);
            // A file system may hang.
            let _ = spawn_blocking(move || keyring.recheck()).await;
        }
    }
}

/// What client and server have agreed on, if the client named anything.
pub(crate) fn agreed(session: &Session) -> Option<Protocol> {
    match session.get_ref().1.alpn_protocol()? {
        HTTP2 => Some(Protocol::Http2),
        _ => Some(Protocol::Http1),
    }
}

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// From the accept to the end of the handshake: a few round trips of a bad network.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Certificates are renewed days before they expire.
const RECHECK: Duration = Duration::from_secs(60);
