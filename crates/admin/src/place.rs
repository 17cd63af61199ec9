//! The address, which another process may still have.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener as StdListener},
    time::Duration,
};

use tokio::{net::TcpListener, time::sleep};

/// Where the admin listener answers.
#[derive(Debug)]
pub(crate) enum Place {
    Bound(StdListener),
    /// Another process listens here.
    Taken(SocketAddr),
}

impl Place {
    /// Waits until nobody else has it.
    pub(crate) async fn listen(self) -> io::Result<TcpListener> {
        let address = match self {
            Self::Bound(listener) => return TcpListener::from_std(listener),
            Self::Taken(address) => address,
        };
        tracing::warn!(%address, "another process has the admin listener's address: probes and status wait until it is free");
        loop {
            match TcpListener::bind(address).await {
                Err(error) if error.kind() == ErrorKind::AddrInUse => sleep(AGAIN).await,
                Ok(listener) => {
                    tracing::info!(%address, "the admin listener has its address now");
                    return Ok(listener);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

const AGAIN: Duration = Duration::from_millis(250);
