//! The address, which another process may still have.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener as StdListener},
    time::Duration,
};

use tokio::{net::TcpListener, time::sleep};

/// Where a listener of the admin thread answers.
#[derive(Debug)]
pub(crate) enum Place {
    Bound(StdListener),
    /// Another process listens here.
    Taken(SocketAddr),
}

impl Place {
    /// Waits until nobody else has it.
    pub(crate) async fn listen(self, who: &'static str) -> io::Result<TcpListener> {
        let address = match self {
            Self::Bound(listener) => return TcpListener::from_std(listener),
            Self::Taken(address) => address,
        };
        loop {
            match TcpListener::bind(address).await {
                Err(error) if error.kind() == ErrorKind::AddrInUse => sleep(AGAIN).await,
                Ok(listener) => {
                    tracing::info!(%address, "{who} has its address, and answers there now");
                    return Ok(listener);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

const AGAIN: Duration = Duration::from_millis(250);
